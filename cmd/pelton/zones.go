package main

import _ "time/tzdata" // manifests name time zones, and a small image has none: zones the system has come first

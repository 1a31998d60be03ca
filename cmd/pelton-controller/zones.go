package main

import _ "time/tzdata" // manifests name time zones, and an image from scratch has none: zones the system has come first

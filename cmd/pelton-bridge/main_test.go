package main

import (
	"os"
	"testing"
)

// roleEnv makes the test binary the program itself.
const roleEnv = "TEST_BRIDGE_ROLE"

const roleBridge = "bridge"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == roleBridge {
		main()
		return
	}
	os.Exit(m.Run())
}

package main

import (
	"os"
	"testing"
)

// roleEnv makes the test binary the program itself.
const roleEnv = "TEST_SCALER_ROLE"

const roleScaler = "scaler"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == roleScaler {
		main()
		return
	}
	os.Exit(m.Run())
}

//go:build !linux

package testdb

const memory = ""

func inMemory(string) bool { return false }

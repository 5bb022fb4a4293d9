package testdb

import "syscall"

const (
	memory = "/dev/shm"
	// enough for the clones of a test binary; containers often have only 64 MB.
	enough = 2 << 30
)

func inMemory(folder string) bool {
	var free syscall.Statfs_t
	if err := syscall.Statfs(folder, &free); err != nil || syscall.Access(folder, 7) != nil {
		return false
	}
	return free.Bavail*uint64(free.Bsize) >= enough
}

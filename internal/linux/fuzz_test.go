package linux

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// checkSample is what holds of every sample, whatever a host has printed.
func checkSample(t *testing.T, s Sample) {
	t.Helper()
	encoded, err := json.Marshal(s)
	require.NoError(t, err)
	require.True(t, utf8.Valid(encoded))
	require.NotContains(t, string(encoded), `\u0000`)
	require.Less(t, len(encoded), 8*MaxOutput)

	for _, list := range []any{s.Disks, s.Interfaces, s.ProcessList} {
		require.NotNil(t, list)
	}
	for _, percentage := range []*int{s.CPUUsage, s.MemoryUsage} {
		if percentage != nil {
			requireIn(t, int64(*percentage), 100)
		}
	}
	for _, n := range []*int64{s.MemoryTotal, s.Uptime, &s.Counters.Total, &s.Counters.Idle} {
		if n != nil {
			requireIn(t, *n, maxNumber)
		}
	}
	require.Contains(t, []int{0, 3}, len(s.LoadAverage))

	require.LessOrEqual(t, len(s.Disks), maxDisks)
	for _, disk := range s.Disks {
		requireText(t, maxText, &disk.Name, disk.Model, disk.Serial)
		requireIn(t, disk.Size, maxNumber)
		require.NotEmpty(t, disk.Partitions)
		require.LessOrEqual(t, len(disk.Partitions), maxPartitions)
		for _, p := range disk.Partitions {
			requireText(t, maxText, &p.Name, p.MountPoint, p.Type)
			requireIn(t, p.Size, maxNumber)
			requireIn(t, p.Used, maxNumber)
			requireIn(t, p.Available, maxNumber)
			requireIn(t, int64(p.UsagePercent), 100)
		}
	}

	require.LessOrEqual(t, len(s.Interfaces), maxInterfaces)
	for _, device := range s.Interfaces {
		requireText(t, maxText, &device.Name, device.MAC, device.State)
		require.NotContains(t, device.Name, "@")
		require.NotNil(t, device.IPv4)
		require.NotNil(t, device.IPv6)
		require.LessOrEqual(t, len(device.IPv4), maxAddresses)
		require.LessOrEqual(t, len(device.IPv6), maxAddresses)
		for _, n := range []*int64{&device.RxBytes, &device.TxBytes, device.MTU, device.Speed} {
			if n != nil {
				requireIn(t, *n, maxNumber)
			}
		}
	}

	require.LessOrEqual(t, len(s.ProcessList), maxProcesses)
	for _, p := range s.ProcessList {
		requireText(t, maxText, &p.User, &p.TTY, &p.Stat, &p.Start, &p.Time)
		requireText(t, maxCommand, &p.Command)
		requireIn(t, p.PID, maxNumber)
		requireIn(t, p.VSZ, maxNumber)
		requireIn(t, p.RSS, maxNumber)
		require.GreaterOrEqual(t, p.CPU, 0.0)
		require.GreaterOrEqual(t, p.Mem, 0.0)
	}
	if s.OSInfo != nil {
		requireText(t, maxText, s.OSInfo.Hostname, s.OSInfo.Name, s.OSInfo.Version, s.OSInfo.Kernel, s.OSInfo.Architecture)
	}
	require.True(t, s.Counters.BootID == "" || bootIDPattern.MatchString(s.Counters.BootID))
	require.LessOrEqual(t, len(s.Cut), len(sectionNames))
}

func requireIn(t *testing.T, n, limit int64) {
	t.Helper()
	require.GreaterOrEqual(t, n, int64(0))
	require.LessOrEqual(t, n, limit)
}

func requireText(t *testing.T, limit int, texts ...*string) {
	t.Helper()
	for _, text := range texts {
		if text == nil {
			continue
		}
		require.True(t, utf8.ValidString(*text))
		require.LessOrEqual(t, utf8.RuneCountInString(*text), limit)
		require.False(t, strings.ContainsFunc(*text, unicode.IsControl), "%q", *text)
	}
}

// addSections seeds a fuzz target with these sections of all outputs.
func addSections(f *testing.F, names ...string) {
	outputs, err := filepath.Glob("testdata/*.txt")
	require.NoError(f, err)
	for _, file := range outputs {
		output, err := os.ReadFile(file)
		require.NoError(f, err)
		answer := split(string(output), marker)
		var texts []any
		for _, name := range names {
			texts = append(texts, answer.text(name))
		}
		f.Add(texts...)
	}
}

// sample is an otherwise empty one, for checkSample.
func sample(with func(*Sample)) Sample {
	s := Sample{Disks: []Disk{}, Interfaces: []Interface{}, ProcessList: []Process{}}
	with(&s)
	return s
}

func FuzzParse(f *testing.F) {
	outputs, err := filepath.Glob("testdata/*.txt")
	require.NoError(f, err)
	for _, file := range outputs {
		output, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(output, "2f6a1f36-71e2-4c57-a6a0-9f2d6f6f0001", int64(1), int64(1))
	}
	f.Fuzz(func(t *testing.T, output []byte, bootID string, total, idle int64) {
		checkSample(t, Parse(output, marker, Counters{BootID: bootID, Total: total, Idle: idle}))
	})
}

func FuzzCPU(f *testing.F) {
	addSections(f, "stat", "stat2")
	f.Fuzz(func(t *testing.T, before, after string) {
		checkSample(t, sample(func(s *Sample) { s.CPUUsage = cpuUsage(cpuTicks(before), cpuTicks(after)) }))
	})
}

func FuzzMemory(f *testing.F) {
	addSections(f, "memory")
	f.Fuzz(func(t *testing.T, text string) {
		checkSample(t, sample(func(s *Sample) { s.MemoryTotal, s.MemoryUsage = memory(text) }))
	})
}

func FuzzNumbers(f *testing.F) {
	addSections(f, "uptime", "load", "count")
	f.Fuzz(func(t *testing.T, up, load, count string) {
		checkSample(t, sample(func(s *Sample) {
			s.Uptime, s.LoadAverage, s.Processes = uptime(up), loadAverage(load), processCount(count)
		}))
	})
}

func FuzzOSInfo(f *testing.F) {
	addSections(f, "os", "kernel", "architecture", "hostname")
	f.Fuzz(func(t *testing.T, release, kernel, architecture, hostname string) {
		checkSample(t, sample(func(s *Sample) { s.OSInfo = osInfo(release, kernel, architecture, hostname) }))
	})
}

func FuzzDisks(f *testing.F) {
	addSections(f, "disks", "mounts", "usage")
	f.Fuzz(func(t *testing.T, tree, mounts, usage string) {
		checkSample(t, sample(func(s *Sample) { s.Disks = disks(tree, mounts, usage) }))
	})
}

func FuzzInterfaces(f *testing.F) {
	addSections(f, "interfaces", "addresses")
	f.Fuzz(func(t *testing.T, devices, addresses string) {
		checkSample(t, sample(func(s *Sample) { s.Interfaces = interfaces(devices, addresses) }))
	})
}

func FuzzProcesses(f *testing.F) {
	addSections(f, "processes")
	f.Fuzz(func(t *testing.T, text string) {
		checkSample(t, sample(func(s *Sample) { s.ProcessList = processes(text, marker) }))
	})
}

package linux

import (
	"math"
	"strings"
)

// ticks is a reading of /proc/stat.
type ticks struct{ total, idle int64 }

// cpuTicks reads the line of all CPUs together. What guests use is counted as
// user and nice already.
func cpuTicks(text string) *ticks {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 5 || fields[0] != "cpu" {
		return nil
	}
	var t ticks
	for i, field := range fields[1:min(len(fields), 9)] {
		n, fine := number(field)
		if !fine {
			return nil
		}
		t.total += n
		if i == 3 || i == 4 { // idle, and idle for waiting on disks
			t.idle += n
		}
	}
	if t.total > maxNumber {
		return nil
	}
	return &t
}

// cpuUsage is the busy share between two readings, in percent.
func cpuUsage(before, after *ticks) *int {
	if before == nil || after == nil || after.total <= before.total {
		return nil
	}
	return new(percent(float64(after.total-before.total-(after.idle-before.idle)) / float64(after.total-before.total)))
}

func percent(share float64) int {
	return int(math.Round(100 * min(max(share, 0), 1)))
}

// memory reads /proc/meminfo: the total in bytes, and its used share in percent.
func memory(text string) (total *int64, usage *int) {
	kib := map[string]int64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		if n, fine := number(strings.TrimSuffix(strings.TrimSpace(value), " kB")); fine && n <= maxNumber/1024 {
			switch name {
			case "MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached":
				kib[name] = n
			}
		}
	}
	if kib["MemTotal"] == 0 {
		return nil, nil
	}
	total = new(kib["MemTotal"] * 1024)
	available, fine := kib["MemAvailable"]
	if !fine {
		// Linux before 3.14. What it calls free is less than could be used.
		if available, fine = kib["MemFree"]; !fine {
			return total, nil
		}
		available += kib["Buffers"] + kib["Cached"]
	}
	return total, new(percent(1 - float64(available)/float64(kib["MemTotal"])))
}

func uptime(text string) *int64 {
	seconds, _, _ := strings.Cut(strings.TrimSpace(text), ".")
	if n, fine := number(seconds); fine {
		return &n
	}
	return nil
}

func loadAverage(text string) []float64 {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return nil
	}
	var loads []float64
	for _, field := range fields[:3] {
		load, fine := decimal(field)
		if !fine {
			return nil
		}
		loads = append(loads, load)
	}
	return loads
}

func processCount(text string) *int {
	n, fine := number(strings.TrimSpace(text))
	if !fine || n == 0 || n > math.MaxInt32 {
		return nil
	}
	return new(int(n))
}

// osInfo is nil of a host that says nothing.
func osInfo(release, kernel, architecture, hostname string) *OSInfo {
	info := OSInfo{Hostname: optional(hostname), Kernel: optional(kernel), Architecture: optional(architecture)}
	for line := range strings.Lines(release) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "NAME":
			info.Name = optional(unquote(value))
		case "VERSION":
			info.Version = optional(unquote(value))
		}
	}
	if info == (OSInfo{}) {
		return nil
	}
	return &info
}

// unquote reads a value of os-release, which is written as shells read it.
func unquote(value string) string {
	if len(value) < 2 || value[0] != value[len(value)-1] || value[0] != '"' && value[0] != '\'' {
		return value
	}
	quote, value := value[0], value[1:len(value)-1]
	if quote == '\'' {
		return value
	}
	return strings.NewReplacer(`\"`, `"`, `\$`, `$`, `\\`, `\`, "\\`", "`").Replace(value)
}

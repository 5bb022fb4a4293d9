// Package linux owns what is read off a Linux host: the one command that a host
// is sent, and what its answer says. It does not know how a host is reached, and
// trusts nothing that one prints.
package linux

import "strings"

// MaxOutput is how much of a host's answer is worth reading. Hosts with hundreds
// of interfaces print a fifth of it, and fifty are asked at a time.
const MaxOutput = 1 << 20

// Counters are a host's CPU ticks since it has booted, to measure the next
// sample against. They are zero where the host does not tell them.
type Counters struct {
	BootID      string
	Total, Idle int64
}

// Sample is what a host has told of itself. What it has not told is nil, or an
// empty list.
type Sample struct {
	// CPUUsage and MemoryUsage are percentages.
	CPUUsage, MemoryUsage *int
	// MemoryTotal is in bytes.
	MemoryTotal *int64
	// Uptime is in seconds.
	Uptime *int64
	// LoadAverage is over 1, 5 and 15 minutes.
	LoadAverage []float64
	// Processes counts them all, ProcessList names a few.
	Processes   *int
	Disks       []Disk
	Interfaces  []Interface
	ProcessList []Process
	OSInfo      *OSInfo

	Counters Counters
	// Cut names the sections of which the end is missing, and Complete says that
	// the answer came to its own end.
	Cut      []string
	Complete bool
}

// Disk is a disk with whatever can be mounted of it, however deep it lies below.
type Disk struct {
	// Name is the kernel's, without /dev/.
	Name       string      `json:"name"`
	Size       int64       `json:"size"`
	Model      *string     `json:"model"`
	Serial     *string     `json:"serial"`
	Rotational *bool       `json:"rotational"`
	Partitions []Partition `json:"partitions"`
}

// Partition is a partition or volume. Used, Available and UsagePercent are as df
// reports them, 0 when it does not.
type Partition struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	// MountPoint is [SWAP] for swap.
	MountPoint *string `json:"mountPoint"`
	// Type is the file system's.
	Type         *string `json:"type"`
	Used         int64   `json:"used"`
	Available    int64   `json:"available"`
	UsagePercent int     `json:"usagePercent"`
}

// Interface is a network interface. Addresses come with the length of their
// prefix, and bytes are counted since the interface is there.
type Interface struct {
	Name    string   `json:"name"`
	IPv4    []string `json:"ipv4"`
	IPv6    []string `json:"ipv6"`
	RxBytes int64    `json:"rxBytes"`
	TxBytes int64    `json:"txBytes"`
	MAC     *string  `json:"mac"`
	// State is the kernel's word: up, down, unknown, lowerlayerdown, ...
	State *string `json:"state"`
	MTU   *int64  `json:"mtu"`
	// Speed is in Mbit/s.
	Speed *int64 `json:"speed"`
}

// Process is a process as ps shows it. Command lines can carry secrets.
type Process struct {
	User string `json:"user"`
	PID  int64  `json:"pid"`
	// CPU is in percent of one core, and Mem of the memory.
	CPU float64 `json:"cpu"`
	Mem float64 `json:"mem"`
	// VSZ and RSS are in KiB.
	VSZ     int64  `json:"vsz"`
	RSS     int64  `json:"rss"`
	TTY     string `json:"tty"`
	Stat    string `json:"stat"`
	Start   string `json:"start"`
	Time    string `json:"time"`
	Command string `json:"command"`
}

// OSInfo says what runs on the host.
type OSInfo struct {
	Hostname     *string `json:"hostname"`
	Name         *string `json:"name"`
	Version      *string `json:"version"`
	Kernel       *string `json:"kernel"`
	Architecture *string `json:"architecture"`
}

// Parse reads what Script's command has printed, be it cut off anywhere or
// nothing of the kind.
func Parse(output []byte, marker string, previous Counters) Sample {
	answer := split(string(output[:min(len(output), MaxOutput)]), marker)
	s := Sample{
		Uptime:      uptime(answer.text("uptime")),
		LoadAverage: loadAverage(answer.text("load")),
		Processes:   processCount(answer.text("count")),
		Disks:       disks(answer.text("disks"), answer.text("mounts"), answer.text("usage")),
		Interfaces:  interfaces(answer.text("interfaces"), answer.text("addresses")),
		ProcessList: processes(answer.text("processes"), marker),
		OSInfo:      osInfo(answer.text("os"), answer.text("kernel"), answer.text("architecture"), answer.text("hostname")),
		Cut:         answer.cut,
		Complete:    answer.complete,
	}
	s.MemoryTotal, s.MemoryUsage = memory(answer.text("memory"))

	bootID := bootIDPattern.FindString(strings.TrimSpace(answer.text("boot")))
	first, second, last := cpuTicks(answer.text("stat")), cpuTicks(answer.text("stat2")), cpuTicks(answer.text("stat3"))
	switch {
	case second != nil:
		s.CPUUsage = cpuUsage(first, second)
	case bootID != "" && bootID == previous.BootID && first != nil && first.total >= previous.Total:
		s.CPUUsage = cpuUsage(&ticks{previous.Total, previous.Idle}, first)
	}
	// The last reading, so that the next sample does not count what this one cost.
	for _, reading := range []*ticks{last, second, first} {
		if reading != nil {
			s.Counters = Counters{BootID: bootID, Total: reading.total, Idle: reading.idle}
			break
		}
	}
	return s
}

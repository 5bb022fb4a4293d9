package linux

import (
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const administratorsPath = ":/usr/sbin:/usr/bin:/sbin:/bin"

// TestHost has this machine tell of itself, to all the login shells that it has,
// and holds that against what Go reads.
func TestHost(t *testing.T) {
	t.Parallel()
	for _, shell := range [][]string{{"sh"}, {"dash"}, {"bash"}, {"bash", "--restricted"}, {"busybox", "sh"}, {"mksh"}, {"zsh"}, {"fish"}, {"csh"}, {"tcsh"}} {
		program, err := exec.LookPath(shell[0])
		if err != nil {
			continue
		}
		t.Run(strings.Join(shell, " "), func(t *testing.T) {
			t.Parallel()
			marker := rand.Text()
			arguments := append(slices.Clone(shell[1:]), "-c", Script(marker, Counters{}))
			output, err := exec.CommandContext(t.Context(), program, arguments...).Output()
			require.NoError(t, err)
			sample := Parse(output, marker, Counters{})
			checkHost(t, sample)
			require.NotNil(t, sample.OSInfo.Kernel)
			require.NotNil(t, sample.OSInfo.Architecture)
			require.NotNil(t, sample.OSInfo.Name)
			require.NotEmpty(t, sample.ProcessList)
			for _, process := range sample.ProcessList {
				require.NotContains(t, process.Command, assemble(marker))
				require.NotRegexp(t, `^(timeout .* )?ps .*--sort=-%cpu`, process.Command)
			}
			text := "\n" + string(output)
			require.Equal(t, strings.Count(text, "\n"+marker), strings.Count(text, marker), "a command has printed the marker")
		})
	}
}

// TestSecondReading takes one where there is nothing to measure the first against.
func TestSecondReading(t *testing.T) {
	t.Parallel()
	marker := rand.Text()
	run := func(previous Counters) (string, Sample) {
		output, err := exec.CommandContext(t.Context(), "sh", "-c", Script(marker, previous)).Output()
		require.NoError(t, err)
		return string(output), Parse(output, marker, previous)
	}
	var sample Sample
	for _, previous := range []Counters{
		{},
		{BootID: "00000000-0000-0000-0000-000000000000"},
		{BootID: "';reboot;'"},
	} {
		var output string
		output, sample = run(previous)
		require.Contains(t, output, marker+" stat2")
		require.NotNil(t, sample.CPUUsage)
	}
	later := sample.Counters
	later.Total = maxNumber
	output, _ := run(later)
	require.Contains(t, output, marker+" stat2")

	output, _ = run(sample.Counters)
	require.NotContains(t, output, marker+" stat2")
}

// TestHostTools runs with the tools of BusyBox, and with no tools at all.
func TestHostTools(t *testing.T) {
	t.Parallel()
	marker := rand.Text()
	run := func(t *testing.T, path, script string) Sample {
		command := exec.CommandContext(t.Context(), filepath.Join(path, "sh"), "-c", script)
		command.Env = []string{"PATH=" + path}
		output, err := command.Output()
		require.NoError(t, err)
		return Parse(output, marker, Counters{})
	}
	if busybox, err := exec.LookPath("busybox"); err == nil {
		t.Run("BusyBox", func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			applets, err := exec.CommandContext(t.Context(), busybox, "--list").Output()
			require.NoError(t, err)
			for applet := range strings.FieldsSeq(string(applets)) {
				require.NoError(t, os.Symlink(busybox, filepath.Join(path, applet)))
			}
			sample := run(t, path, strings.Replace(Script(marker, Counters{}), administratorsPath, "", 1))
			checkHost(t, sample)
			require.NotEmpty(t, sample.ProcessList)
			require.NotNil(t, sample.OSInfo.Kernel)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		shell, err := exec.LookPath("sh")
		require.NoError(t, err)
		path := t.TempDir()
		require.NoError(t, os.Symlink(shell, filepath.Join(path, "sh")))
		sample := run(t, path, strings.Replace(Script(marker, Counters{}), administratorsPath, "", 1))
		require.True(t, sample.Complete)
		require.Empty(t, sample.Cut)
		require.NotNil(t, sample.Uptime)
		require.Len(t, sample.LoadAverage, 3)
		require.NotNil(t, sample.Processes)
		require.Empty(t, sample.ProcessList)
		require.Empty(t, sample.Disks)
		require.Nil(t, sample.MemoryTotal)
		require.Nil(t, sample.OSInfo.Kernel)
	})
}

// checkHost holds a sample against this machine.
func checkHost(t *testing.T, sample Sample) {
	t.Helper()
	require.True(t, sample.Complete)
	require.Empty(t, sample.Cut)
	require.NotNil(t, sample.CPUUsage)

	meminfo := map[string]int64{}
	content, err := os.ReadFile("/proc/meminfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		meminfo[fields[0]], err = strconv.ParseInt(fields[1], 10, 64)
		require.NoError(t, err)
	}
	require.Equal(t, meminfo["MemTotal:"]*1024, *sample.MemoryTotal)
	require.InDelta(t, 100-100*float64(meminfo["MemAvailable:"])/float64(meminfo["MemTotal:"]), *sample.MemoryUsage, 10)

	content, err = os.ReadFile("/proc/uptime")
	require.NoError(t, err)
	seconds, err := strconv.ParseFloat(strings.Fields(string(content))[0], 64)
	require.NoError(t, err)
	require.InDelta(t, seconds, *sample.Uptime, 60)

	processes, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	require.InDelta(t, len(processes), *sample.Processes, 100)

	hostname, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, hostname, *sample.OSInfo.Hostname)

	var expected, names []string
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	for _, device := range sample.Interfaces {
		names = append(names, device.Name)
	}
	for _, device := range interfaces {
		if device.Flags&net.FlagLoopback != 0 {
			continue
		}
		expected = append(expected, device.Name)
		i := slices.Index(names, device.Name)
		require.GreaterOrEqual(t, i, 0, device.Name)
		require.EqualValues(t, device.MTU, *sample.Interfaces[i].MTU)
		require.Equal(t, device.HardwareAddr.String(), *sample.Interfaces[i].MAC)
		addresses, err := device.Addrs()
		require.NoError(t, err)
		var texts []string
		for _, address := range addresses {
			texts = append(texts, address.String())
		}
		require.ElementsMatch(t, texts, append(slices.Clone(sample.Interfaces[i].IPv4), sample.Interfaces[i].IPv6...))
	}
	require.ElementsMatch(t, expected, names)
}

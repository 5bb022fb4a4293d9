package linux

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what is parsed beside the outputs, to be looked at")

// marker is the one that the outputs in testdata have.
const marker = "MARKER"

// TestCorpus holds whole samples against outputs of hosts of all kinds.
func TestCorpus(t *testing.T) {
	t.Parallel()
	outputs, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	for _, file := range outputs {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			output, err := os.ReadFile(file)
			require.NoError(t, err)
			sample := Parse(output, marker, Counters{})
			checkSample(t, sample)
			got, err := json.MarshalIndent(sample, "", "  ")
			require.NoError(t, err)
			golden := strings.TrimSuffix(file, ".txt") + ".json"
			if *update {
				require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o644))
			}
			expected, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(expected), string(got)+"\n")
		})
	}
}

func TestCPUUsage(t *testing.T) {
	t.Parallel()
	const boot = "fb2560dc-4f19-4769-8b23-7f7d80a7ae90"
	at := func(total, idle int64) Counters { return Counters{BootID: boot, Total: total, Idle: idle} }
	for name, test := range map[string]struct {
		previous      Counters
		first, second string
		usage         *int
		total, idle   int64
	}{
		"since the last sample":           {at(1000, 500), "cpu 400 100 500 600 100 0 0 0 0 0", "", new(71), 1700, 700},
		"guests are users already":        {at(1000, 500), "cpu 400 100 500 600 100 0 0 0 400 100", "", new(71), 1700, 700},
		"all kinds of ticks":              {at(1000, 500), "cpu 1 2 4 500 0 600 700 800 0 0", "", new(100), 2607, 500},
		"old kernels have fewer":          {at(1000, 500), "cpu 600 0 400 1000", "", new(50), 2000, 1000},
		"no time has passed":              {at(1000, 500), "cpu 500 0 0 500", "", nil, 1000, 500},
		"idle ticks have gone backwards":  {at(1000, 600), "cpu 600 0 0 500", "", new(100), 1100, 500},
		"more idle than passed":           {at(1000, 0), "cpu 600 0 0 500", "", new(0), 1100, 500},
		"two readings":                    {Counters{}, "cpu 500 0 0 500", "cpu 525 0 0 575", new(25), 1100, 575},
		"two readings come first":         {at(10, 10), "cpu 500 0 0 500", "cpu 525 0 0 575", new(25), 1100, 575},
		"another boot":                    {Counters{BootID: "0" + boot[1:], Total: 1}, "cpu 500 0 0 500", "", nil, 1000, 500},
		"backwards":                       {at(5000, 500), "cpu 500 0 0 500", "", nil, 1000, 500},
		"nothing before":                  {Counters{}, "cpu 500 0 0 500", "", nil, 1000, 500},
		"a single CPU":                    {at(1, 1), "cpu0 500 0 0 500", "", nil, 0, 0},
		"too great":                       {at(1, 1), "cpu 9007199254740991 1 0 500", "", nil, 0, 0},
		"negative":                        {at(1, 1), "cpu -5 1 0 500", "", nil, 0, 0},
		"the second reading says nothing": {at(1000, 500), "cpu 500 0 500 1000", "nonsense", new(50), 2000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := "MARKER stat\n" + test.first + "\n\nMARKER boot\n" + boot + "\n\nMARKER stat2\n" + test.second + "\n\nMARKER end\n"
			sample := Parse([]byte(output), marker, test.previous)
			require.Equal(t, test.usage, sample.CPUUsage)
			require.Equal(t, test.total, sample.Counters.Total)
			require.Equal(t, test.idle, sample.Counters.Idle)
		})
	}
}

// TestLimits is about hosts that print more than any has, and in one piece.
func TestLimits(t *testing.T) {
	t.Parallel()
	var devices, addresses, table, mounts, usage strings.Builder
	table.WriteString("USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\n")
	usage.WriteString("Filesystem 1-blocks Used Available Capacity Mounted on\n")
	for i := range 5000 {
		fmt.Fprintf(&devices, "veth%d 02:00:00:00:00:01 up 1500 10000 1 2\n", i)
		fmt.Fprintf(&addresses, "%d: veth0@if%d inet 10.0.%d.%d/32 scope global veth0\n", i, i, i/256, i%256)
		fmt.Fprintf(&mounts, "/dev/sd%d ext4\n", i)
		fmt.Fprintf(&usage, "/dev/sd%d 3 1 2 34%% /srv/%d\n", i, i)
	}
	for i := range 300 {
		fmt.Fprintf(&table, "root %d %d 0 1 1 ? S 1 1 %s\n", i, i, strings.Repeat("größe ", 500))
	}
	disk := `{"name": "sda", "type": "disk", "children": [`
	for i := range 1000 {
		disk += fmt.Sprintf(`{"name": "sda%d", "size": 1},`, i)
	}
	disk = strings.TrimSuffix(disk, ",") + "]}"
	many := strings.Repeat(`{"name": "sdb", "type": "disk", "mountpoint": "/b"},`, 1000)
	deep := strings.Repeat(`{"name": "a", "children": [`, 9000) + strings.Repeat("]}", 9000)

	sample := sample(func(s *Sample) {
		s.Interfaces = interfaces(devices.String(), addresses.String())
		s.ProcessList = processes(table.String(), marker)
		s.Disks = disks(`{"blockdevices": [`+many+disk+`]}`, "", "")
	})
	checkSample(t, sample)
	require.Len(t, sample.Interfaces, maxInterfaces)
	require.Len(t, sample.Interfaces[0].IPv4, maxAddresses)
	require.Len(t, sample.ProcessList, maxProcesses)
	require.EqualValues(t, 299, sample.ProcessList[0].PID)
	require.Equal(t, strings.Repeat("größe ", 170)+"größ", sample.ProcessList[0].Command)
	require.Len(t, sample.Disks, maxDisks)

	require.Len(t, disks(`{"blockdevices": [`+disk+`]}`, "", "")[0].Partitions, maxPartitions)
	require.Empty(t, disks(`{"blockdevices": [`+deep+`]}`, "", ""))
	require.Len(t, disks("", mounts.String(), usage.String()), maxPartitions)
}

func TestCut(t *testing.T) {
	t.Parallel()
	line := "eth0 02:00:00:00:00:01 up 1500 1000 1 123456789\n"
	text := strings.Repeat(line, sectionLimit/len(line)+1)[:sectionLimit]
	for output, expected := range map[string]answer{
		"MARKER interfaces\n" + text + "\nMARKER end\n":        {map[string]string{"interfaces": text[:strings.LastIndexByte(text, '\n')+1]}, []string{"interfaces"}, true},
		"MARKER load\n1\n\nMARKER uptime\n12":                  {map[string]string{"load": "1\n", "uptime": ""}, []string{"uptime"}, false},
		"MARKER load\n1\n\nMARKER uptime\n12\n":                {map[string]string{"load": "1\n", "uptime": "12\n"}, []string{"uptime"}, false},
		"MARKER load\n1\n\nMARKER upti":                        {map[string]string{"load": "1\n"}, nil, false},
		"MARKER load\n1\n\nMARKER":                             {map[string]string{"load": "1\n\n"}, []string{"load"}, false},
		"MARKER load\n1\n\nMARKER end":                         {map[string]string{"load": "1\n"}, nil, true},
		"banner MARKER load\n1\n\nMARKER end\n":                {map[string]string{}, nil, true},
		"MARKER load\n1\n\nMARKER load\n2\n\nMARKER end\nrest": {map[string]string{"load": "1\n"}, nil, true},
	} {
		require.Equal(t, expected, split(output, marker), "%.40q", output)
	}
	require.Equal(t, answer{sections: map[string]string{}}, split("anything", ""))

	sample := Parse([]byte("MARKER uptime\n1\n"+strings.Repeat("x", MaxOutput)+"\n\nMARKER end\n"), marker, Counters{})
	require.False(t, sample.Complete)
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for value, expected := range map[string]string{
		`Fedora`: "Fedora", `"Fedora Linux"`: "Fedora Linux", `'it is "it"'`: `it is "it"`, `"a \"b\" \$c \\ d"`: `a "b" $c \ d`,
		`"open`: `"open`, `"`: `"`, ``: ``, `""`: ``,
	} {
		require.Equal(t, expected, unquote(value))
	}
}

package linux

import (
	"fmt"
	"regexp"
	"strings"
)

// sectionLimit is how many bytes of a section a host sends.
const sectionLimit = 256 << 10

// bootIDPattern is the form in which the kernel writes boot ids.
var bootIDPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// assemble is the assignment that puts the marker together in the shell. The
// marker itself is in no command line that way, and our own command lines are
// known by the assignment.
func assemble(marker string) string {
	half := len(marker) / 2
	return fmt.Sprintf("m=%s;m=${m}%s", marker[:half], marker[half:])
}

// script is what a host runs. It has no quote, backslash, exclamation mark or
// line break, and so passes through the single quotes of every login shell. It
// takes POSIX shells and BusyBox, and needs none of the tools it calls: what is
// missing prints nothing. All that comes before the last reading of the ticks of
// CPUs is left out of the next sample's usage.
var script = strings.Join([]string{
	// Tools for administrators are not in everybody's path.
	`LC_ALL=C;PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin;export LC_ALL PATH;exec </dev/null 2>/dev/null`,
	`s(){ echo;echo "$m $1";}`,
	`o=;read -r o </proc/sys/kernel/ostype||o=$(uname);[ "$o" = Linux ]||{ s end;exit;}`,

	// Before anything of ours runs. A second reading is taken where there is none
	// of this boot to measure the first against, or a later one, as in containers.
	`c=;read -r c </proc/stat;b=;read -r b </proc/sys/kernel/random/boot_id`,
	`s stat;echo "$c";s boot;echo "$b";set -- $c`,
	// In a shell of its own, as what is no number ends the shell.
	`t=$(echo $((${2:-0}+${3:-0}+${4:-0}+${5:-0}+${6:-0}+${7:-0}+${8:-0}+${9:-0})))`,
	`if [ "$b" = %[1]s ]&&[ "$t" -ge %[2]d ];then :;else sleep 1;c=;read -r c </proc/stat;s stat2;echo "$c";fi`,

	// Not every BusyBox has these, or takes their options.
	`h="head -c %[3]d";$h||h=cat;t="timeout -s KILL 5";$t true||t=`,
	`s uptime;v=;read -r v </proc/uptime;echo "$v"`,
	`s load;v=;read -r v </proc/loadavg;echo "$v"`,
	`s count;set -- /proc/[0-9]*;[ -d "$1" ]&&echo $#`,
	`s memory;cat /proc/meminfo|$h`,
	`s os;{ cat /etc/os-release||cat /usr/lib/os-release;}|$h`,
	`s kernel;uname -r;s architecture;uname -m`,
	`s hostname;v=$(hostname);[ "$v" ]||read -r v </proc/sys/kernel/hostname;echo "$v"`,

	// Some more than are shown, as our own are among them: see oursPattern. BusyBox
	// does not sort.
	`s processes;v=$($t ps aux --sort=-%%cpu --cols 2048|head -n 64|$h)`,
	`for a in "-o user,pid,vsz,rss,tty,stat,time,args" "-o user,pid,vsz,rss,tty,stat,args" w "";do [ "$v" ]||v=$($t ps $a|$h);done;printf %%s "$v"`,

	`s disks;$t lsblk -J -b -o NAME,KNAME,TYPE,SIZE,MODEL,SERIAL,ROTA,MOUNTPOINT|$h`,
	// df is asked for these alone, as it hangs where a network file system does.
	// Each device is named once: containers mount the same one a hundred times.
	`s mounts;grep ^/dev/ /proc/mounts|{ n=" ";set --;while read -r d p f v;do case $f in fuse|fuse.*)continue;;esac`,
	`case $n in *" $d "*)continue;;esac;[ $# -lt %[4]d ]||break;n="$n$d ";echo "$d $f";set -- "$@" "$(printf %%b "$p")";done`,
	`s usage;[ $# -gt 0 ]&&{ v=$($t df -P -B1 "$@"|$h);[ "$v" ]||v=$($t df -P -k "$@"|$h);printf %%s "$v";};}`,

	`s interfaces;for i in /sys/class/net/*;do [ -d "$i" ]||continue;a=;o=;u=;v=;r=;w=`,
	`read -r a <"$i/address";read -r o <"$i/operstate";read -r u <"$i/mtu";read -r v <"$i/speed"`,
	`read -r r <"$i/statistics/rx_bytes";read -r w <"$i/statistics/tx_bytes"`,
	`echo "${i##*/} ${a:--} ${o:--} ${u:--} ${v:--} ${r:--} ${w:--}";done|$h`,
	`s addresses;$t ip -o addr show|$h`,

	`c=;read -r c </proc/stat;s stat3;echo "$c";s end`,
}, ";")

// Script is the command that has a host tell of itself, for any login shell: one
// command for sh, which is also there where the login shell is none, as fish and
// csh. Fed to sh through its input it would need no quotes, but devices that give
// everybody their own prompt would carry it out line by line.
//
// The marker begins the lines between what the commands print. It is new for
// each answer and of letters and digits, as of rand.Text.
func Script(marker string, previous Counters) string {
	bootID := previous.BootID
	if !bootIDPattern.MatchString(bootID) {
		bootID = "none"
	}
	return "sh -c '" + assemble(marker) + ";" +
		fmt.Sprintf(script, bootID, previous.Total, sectionLimit, maxPartitions) + "'"
}

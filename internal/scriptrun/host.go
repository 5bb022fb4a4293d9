package scriptrun

import (
	"fmt"
	"regexp"
	"strings"
)

// prelude is what directives call, for POSIX shells, in one line. Marks go to the
// terminal wherever the script's output goes. In their fields, what would end a field or
// the line is written as \xNN. An answer is read as it is typed, unseen and without the
// bounds of a terminal's line; the mark TAKEN says that it has been.
const prelude = `set -e; ` +
	`__nexterm_nl=$(printf '\n\r_'); __nexterm_nl=${__nexterm_nl%%_}; ` +
	`__nexterm_mark() { __nexterm_m=$1; shift; for __nexterm_s in "$@"; do __nexterm_m=$__nexterm_m:; ` +
	`while :; do __nexterm_p=${__nexterm_s%%%%[\\:$__nexterm_nl]*}; __nexterm_m=$__nexterm_m$__nexterm_p; ` +
	`__nexterm_s=${__nexterm_s#"$__nexterm_p"}; case $__nexterm_s in '') break;; ` +
	`\\*) __nexterm_m=$__nexterm_m'\x5C';; :*) __nexterm_m=$__nexterm_m'\x3A';; *) __nexterm_m=$__nexterm_m'\x0A';; esac; ` +
	`__nexterm_s=${__nexterm_s#?}; done; done; printf '\037%%s:NEXTERM_%%s\n' %[1]s "$__nexterm_m" >/dev/tty; }; ` +
	`__nexterm_ask() { __nexterm_v=$1; __nexterm_d=$2; shift 2; __nexterm_o=$(stty -g </dev/tty); ` +
	`stty -echo -icanon min 1 time 0 </dev/tty; __nexterm_mark "$@"; IFS= read -r __nexterm_a </dev/tty || exit 1; ` +
	`stty "$__nexterm_o" </dev/tty; __nexterm_mark TAKEN; __nexterm_a=${__nexterm_a:-$__nexterm_d}; eval "$__nexterm_v=\$__nexterm_a"; }; ` +
	`__nexterm_input() { __nexterm_ask "$1" "${3-}" INPUT "$1" "$2" "${3-}"; }; ` +
	`__nexterm_select() { __nexterm_ask "$1" "$3" SELECT "$@"; }; ` +
	`__nexterm_confirm() { __nexterm_ask NEXTERM_CONFIRM_RESULT No CONFIRM "$2"; ` +
	`case $NEXTERM_CONFIRM_RESULT in [Yy]*) NEXTERM_CONFIRM_RESULT=Yes;; *) NEXTERM_CONFIRM_RESULT=No; [ "$1" = goes-on ] || exit 1;; esac; }`

// guard runs a script beside itself, in whatever shell it is typed into: Ctrl-C is the
// script's to die of, and the end of the terminal ends both. What has been typed for the
// script and nobody has read is thrown away, or the shell would take it for commands.
const guard = `d=${0%%/*}
t=$(stty -g)
trap : INT QUIT
trap 'rm -rf "$d"; exit 129' HUP TERM
cat >"$d/script" <<'%[1]s'
%[2]s
%[1]s
chmod 700 "$d/script"
printf '\037%%s:NEXTERM_READY\n' %[1]s
%[3]s "$d/script"
c=$?
rm -rf "$d"
stty -icanon -echo min 0 time 0
cat >/dev/null
stty "$t"
printf '\037%%s:NEXTERM_END:%%s\n' %[1]s "$c"
`

// file is what is uploaded.
func file(content, token string) string {
	command, isShell := interpreter(content)
	if isShell {
		content = translate(content, fmt.Sprintf(prelude, token))
	}
	run := `"$(command -v bash || command -v sh)"`
	if command != nil {
		for i := range command {
			command[i] = quote(command[i])
		}
		run = strings.Join(command, " ")
	}
	return fmt.Sprintf(guard, token, content, run)
}

// Upload is the command that takes the file on a channel of its own, says where it
// lies, and removes it when the channel ends, whatever has become of the terminal. Login
// shells of all kinds run it; the folder is nobody else's.
func (r *Run) Upload() string {
	return fmt.Sprintf(`exec sh -c 'trap "" HUP; d=$(mktemp -d) || exit 1; `+
		`head -c %d >"$d/run" && echo "nexterm:$d:"; cat >/dev/null; rm -rf "$d"'`, len(r.file))
}

// UploadedPath says where the host has put the file, once it has said so.
func UploadedPath(said []byte) (path string, is bool) {
	found := uploaded.FindSubmatch(said)
	if found == nil {
		return "", false
	}
	return string(found[1]), true
}

var uploaded = regexp.MustCompile(`nexterm:(/[^\x00-\x1f\x7f':\\!]{1,1000}):\r?\n`)

// Line is what is typed to run the file. Shells keep lines that begin with a blank out
// of their history.
func Line(path string) string { return " sh '" + path + "/run'\n" }

// TypedUpload is what is typed where there is no other channel: the file follows as it
// is, once Output has seen that the terminal takes it.
func (r *Run) TypedUpload() string {
	r.pending = []byte(r.file)
	return fmt.Sprintf(` sh -c 'd=$(mktemp -d) || exit 1; trap "rm -rf \"\$d\"" EXIT; trap "exit 129" HUP TERM; trap : INT; `+
		`s=$(stty -g); stty raw -echo; printf "\037%%s\n" send; head -c %d >"$d/run"; stty "$s"; sh "$d/run"'`+"\n", len(r.file))
}

package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/screen"
)

const (
	// maxEvent bounds a line of a recording, in bytes.
	maxEvent = 16 << 20
	// sober undoes what a recording may leave a terminal in: colors, no cursor, the other
	// screen, reports of the mouse and of what is pasted.
	sober = "\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\r\n"
)

func playCommand() *cobra.Command {
	var speed float64
	command := &cobra.Command{
		Use: "play AUDITLOGID|FILE", Short: "Play the recording of a terminal", Args: cobra.ExactArgs(1),
		Long: "Play the recording that belongs to a row of the audit log, or one in a file, asciicast version 2, compressed or not. Ctrl-C ends it. A file whose name is a number is ./7.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !(speed > 0) {
				return usage("--speed is a number above 0")
			}
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				return play(cmd.Context(), cmd.OutOrStdout(), file, speed)
			}
			return signedIn(func(s *session, _ []string) error {
				recording, err := s.client.Recordings.Get(s.Context(), id)
				if err != nil {
					return err
				}
				return play(s.Context(), s.OutOrStdout(), bytes.NewReader(recording), speed)
			})(cmd, args)
		},
	}
	command.Flags().Float64Var(&speed, "speed", 1, "how many times as `fast`")
	return command
}

// play writes what a terminal has shown, when it has. What it was asked about itself
// is left out: this one would answer into the shell that comes next.
func play(ctx context.Context, out io.Writer, recording io.Reader, speed float64) error {
	buffered := bufio.NewReader(recording)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return err
		}
		buffered = bufio.NewReader(unzipped)
	}
	lines := bufio.NewScanner(buffered)
	lines.Buffer(nil, maxEvent)
	var header struct{ Version int }
	if lines.Scan(); json.Unmarshal(lines.Bytes(), &header) != nil || header.Version != 2 {
		return usage("this is no recording of a terminal (asciicast, version 2)")
	}
	began := time.Now()
	defer io.WriteString(out, sober) //nolint:errcheck // nobody is there any more
	for lines.Scan() {
		var at float64
		var kind, text string
		if err := json.Unmarshal(lines.Bytes(), &[]any{&at, &kind, &text}); err != nil {
			return fmt.Errorf("read the recording: %w", err)
		}
		select {
		case <-time.After(time.Until(began.Add(time.Duration(at / speed * float64(time.Second))))):
		case <-ctx.Done():
			return ctx.Err()
		}
		if kind != "o" {
			continue
		}
		if _, err := out.Write(screen.WithoutQueries([]byte(text))); err != nil {
			return err
		}
	}
	return lines.Err()
}

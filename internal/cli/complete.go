package cli

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// What commands and fields refer to. The kinds refer to each other, and some to
// themselves, so that these are filled in once all of them are there.
var organizationReference, folderReference, entryReference, tagReference = &reference{}, &reference{}, &reference{}, &reference{}

func init() {
	folders.fields = []field{{name: "parentId", flag: "parent", usage: "the `folder` around it, by path or id; empty for none", of: folderReference}}
	*organizationReference, *folderReference = *organizations.reference(), *folders.reference()
	*entryReference, *tagReference = *entries.reference(), *tags.reference()
}

// completionTime is how long a shell waits for names at most.
const completionTime = 2 * time.Second

func completeFlag(command *cobra.Command, flag string, of *reference) {
	_ = command.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return of.complete(cmd, begun)
	})
}

// completeAll is for commands that take any number of things.
func (k kind[T]) completeAll(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return k.reference().complete(cmd, begun)
}

// complete offers what things can be called by that begins so. Without a server that
// answers, there is nothing to offer.
func (r *reference) complete(cmd *cobra.Command, begun string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	c, err := readCredentials(cmd)
	if err != nil {
		return nil, directive
	}
	client, err := nexterm.New(c.URL, nexterm.WithToken(c.Token), nexterm.WithRetries(0), userAgent(cmd))
	if err != nil {
		return nil, directive
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	cmd.SetContext(ctx)
	s := &session{Command: cmd, client: client}
	things, err := r.things(s)
	if err != nil {
		return nil, directive
	}
	// Of a list, the last is what is being typed.
	earlier, last := "", begun
	if comma := strings.LastIndexByte(begun, ','); comma >= 0 {
		earlier, last = begun[:comma+1], begun[comma+1:]
	}
	for i, all := range calls(things) {
		for _, text := range all {
			if strings.HasPrefix(text, last) && isPlain(text) {
				offers = append(offers, cobra.CompletionWithDesc(earlier+text, things[i].describe(s)))
				break
			}
		}
	}
	return offers, directive
}

// isPlain is for texts that come to a command as they are: shells have their ways with
// others, and a dash begins a flag.
func isPlain(text string) bool {
	return !strings.HasPrefix(text, "-") && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" ._-/@+", r)
	})
}

// Package docs_test holds what people read against what is there.
package docs_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A promise that no test shows is only a hope.
func TestPromisesHaveTheirTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("security.md")
	require.NoError(t, err)
	promises, _, found := strings.Cut(string(page), "\n## What is not promised")
	require.True(t, found)
	link := regexp.MustCompile(`\[(Test\w+)\]\(([^)]+)\)`)
	for _, promise := range strings.Split(promises, "\n- ")[1:] {
		require.Regexp(t, link, promise, "a promise needs a test")
	}
	for _, shown := range link.FindAllStringSubmatch(string(page), -1) {
		source, err := os.ReadFile(shown[2])
		if err != nil || !strings.Contains(string(source), "\nfunc "+shown[1]+"(") {
			t.Errorf("security.md promises what %s in %s is to show, which is not there", shown[1], shown[2])
		}
	}
}

// foreign are folders with pages that are not ours, or with none: what tools and a server leave here.
var foreign = []string{".git", "node_modules", "testdata", "data", "secrets"}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains(foreign, entry.Name()) {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(file) != ".md" {
			return nil
		}
		page, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, to := range link.FindAllStringSubmatch(string(page), -1) {
			target, anchor, _ := strings.Cut(to[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			read := file
			if target != "" {
				read = filepath.Join(filepath.Dir(file), target)
			}
			if _, err := os.Stat(read); err != nil {
				t.Errorf("%s leads to %s, which is not there", file, to[1])
			} else if anchor != "" && !anchors(t, read)[anchor] {
				t.Errorf("%s leads to %s, where no heading is called so", file, to[1])
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// anchors are the headings of a page as GitHub writes them in addresses.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	all := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(page), -1) {
		text := regexp.MustCompile(`[^\p{L}\p{N}\s_-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		all[strings.ReplaceAll(text, " ", "-")] = true
	}
	return all
}

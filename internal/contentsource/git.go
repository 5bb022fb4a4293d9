package contentsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/nexterm-go/nexterm/internal/outbound"
)

const (
	repositoryTime = 30 * time.Second
	// maxPackBytes bounds what a repository sends.
	maxPackBytes = 32 << 20
	// maxTreeEntries bounds the walk through a tree, which can name one folder
	// in many places.
	maxTreeEntries = 50_000
)

const (
	errRepositoryTooLarge = unusable("The repository is too large")
	errBadRepository      = unusable("The repository is empty or invalid")
)

// errNoRepository says that no git repository answers at a URL.
var errNoRepository = errors.New("no git repository")

// fetchRepository reads the latest commit of the default branch, without its
// history and submodules, into memory.
func fetchRepository(ctx context.Context, client *outbound.Client, base *url.URL) (listing, error) {
	ctx, cancel := context.WithTimeout(ctx, repositoryTime)
	defer cancel()
	pack, head, err := fetchPack(ctx, client, base)
	if errors.Is(err, outbound.ErrTooLarge) {
		err = errRepositoryTooLarge
	}
	if err != nil {
		return listing{}, err
	}
	objects, err := readPack(ctx, pack)
	if err != nil {
		return listing{}, err
	}
	var commit object.Commit
	if err := objects.decode(head, plumbing.CommitObject, commit.Decode); err != nil {
		return listing{}, err
	}
	w := walk{objects: objects, known: map[string]bool{}}
	if err := w.folder(commit.TreeHash, ""); err != nil {
		return listing{}, err
	}
	if len(w.files) == 0 {
		return listing{}, errBadRepository
	}
	return listing{files: w.files, read: func(_ context.Context, f file) ([]byte, error) {
		blob, found := objects[plumbing.NewHash(f.hash)]
		if !found || blob.kind != plumbing.BlobObject {
			return nil, fmt.Errorf("%s is missing or too large", f.path)
		}
		return blob.content, nil
	}}, nil
}

// fetchPack asks for the commit that HEAD names and nothing older.
func fetchPack(ctx context.Context, client *outbound.Client, base *url.URL) (pack []byte, head plumbing.Hash, err error) {
	endpoint, err := transport.NewEndpoint(base.String())
	if err != nil {
		return nil, plumbing.ZeroHash, errNoRepository
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// go-git hides why an answer could not be read.
	defer func() {
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
	}()
	session, err := githttp.NewClient(client.Reporting(maxPackBytes, cancel)).NewUploadPackSession(endpoint, nil)
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	refs, err := session.AdvertisedReferencesContext(ctx)
	switch {
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return nil, plumbing.ZeroHash, errBadRepository
	case context.Cause(ctx) == nil && errors.Is(explain(err), errUnreachable):
		// The host has answered before; so what it says is not git.
		return nil, plumbing.ZeroHash, errNoRepository
	case err != nil:
		return nil, plumbing.ZeroHash, err
	case refs.Head == nil:
		return nil, plumbing.ZeroHash, errBadRepository
	}
	request := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	// Without side bands the answer is the pack and nothing else.
	request.Capabilities.Delete(capability.Sideband64k)
	request.Capabilities.Delete(capability.Sideband)
	request.Wants = []plumbing.Hash{*refs.Head}
	if refs.Capabilities.Supports(capability.Shallow) {
		if err := request.Capabilities.Set(capability.Shallow); err != nil {
			return nil, plumbing.ZeroHash, err
		}
		request.Depth = packp.DepthCommits(1)
	}
	answer, err := session.UploadPack(ctx, request)
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	defer func() { _ = answer.Close() }()
	pack, err = io.ReadAll(answer)
	return pack, *refs.Head, err
}

// walk collects the files below a folder of the repository.
type walk struct {
	objects objects
	files   []file
	known   map[string]bool
	entries int
}

func (w *walk) folder(hash plumbing.Hash, prefix string) error {
	var tree object.Tree
	if err := w.objects.decode(hash, plumbing.TreeObject, tree.Decode); err != nil {
		return err
	}
	for _, entry := range tree.Entries {
		name := prefix + entry.Name
		if w.entries++; w.entries > maxTreeEntries {
			return errRepositoryTooLarge
		}
		if strings.Contains(entry.Name, "/") || entry.Name == "" || entry.Name == "." || entry.Name == ".." {
			return errBadRepository
		}
		// Git has names, in other character sets for one, that an index cannot have.
		if !validPath(name) {
			continue
		}
		switch entry.Mode {
		case filemode.Dir:
			if err := w.folder(entry.Hash, name+"/"); err != nil {
				return err
			}
		case filemode.Regular, filemode.Executable, filemode.Deprecated:
			if w.known[name] { // which git itself never writes
				return errBadRepository
			}
			w.known[name] = true
			if k := kindOf(name); k != other {
				w.files = append(w.files, file{path: name, hash: entry.Hash.String(), kind: k})
			}
			if len(w.files) > maxFiles {
				return errTooManyFiles
			}
		}
	}
	return nil
}

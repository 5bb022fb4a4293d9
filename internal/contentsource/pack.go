package contentsource

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

const (
	maxObjects = 100_000
	// maxInflatedBytes bounds what a pack unfolds to, kept or not, and
	// maxKeptBytes what of it is kept: a few bytes can unfold to gigabytes.
	maxInflatedBytes = 512 << 20
	maxKeptBytes     = 64 << 20
)

// stored is one object of a repository.
type stored struct {
	kind    plumbing.ObjectType
	content []byte
}

// objects are those of a pack that are not too large.
type objects map[plumbing.Hash]stored

// decode reads one object of a kind that can decode itself.
func (o objects) decode(hash plumbing.Hash, kind plumbing.ObjectType, decode func(plumbing.EncodedObject) error) error {
	found, known := o[hash]
	if !known || found.kind != kind {
		return errBadRepository
	}
	var encoded plumbing.MemoryObject
	encoded.SetType(kind)
	if _, err := encoded.Write(found.content); err != nil {
		return err
	}
	if decode(&encoded) != nil {
		return errBadRepository
	}
	return nil
}

// delta is an object that is written as the difference to another one.
type delta struct {
	offset  int64
	content []byte
}

// packReader unfolds a pack within limits. go-git's own parser has none for
// what a pack unfolds to.
type packReader struct {
	objects objects
	// ready are objects whose deltas are not looked for yet; the others wait for
	// their base, by its place in the pack or by its hash.
	ready         []found
	waitingOffset map[int64][]delta
	waitingHash   map[plumbing.Hash][]delta
	inflated      int64
	kept          int64
}

// found is an object and its place in the pack.
type found struct {
	stored
	offset int64
	hash   plumbing.Hash
}

// readPack unfolds a pack. Objects over maxFileBytes are left out, and with
// them what is written as a difference to them.
func readPack(ctx context.Context, pack []byte) (objects, error) {
	r := packReader{objects: objects{}, waitingOffset: map[int64][]delta{}, waitingHash: map[plumbing.Hash][]delta{}}
	scanner := packfile.NewScanner(bytes.NewReader(pack))
	_, count, err := scanner.Header()
	if err != nil {
		return nil, errBadRepository
	}
	if count > maxObjects {
		return nil, errRepositoryTooLarge
	}
	for range count {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := r.next(scanner); err != nil {
			return nil, err
		}
	}
	return r.objects, r.resolve(ctx)
}

// next reads one object or delta. The scanner holds it to its declared length.
func (r *packReader) next(scanner *packfile.Scanner) error {
	head, err := scanner.NextObjectHeader()
	if err != nil {
		return errBadRepository
	}
	if head.Length > maxInflatedBytes || r.inflated+head.Length > maxInflatedBytes {
		return errRepositoryTooLarge
	}
	r.inflated += head.Length
	if head.Length > maxFileBytes {
		if _, _, err := scanner.NextObject(io.Discard); err != nil {
			return errBadRepository
		}
		return nil
	}
	var content bytes.Buffer
	if _, _, err := scanner.NextObject(&content); err != nil || int64(content.Len()) != head.Length {
		return errBadRepository
	}
	if head.Type.IsDelta() {
		d := delta{head.Offset, content.Bytes()}
		if head.OffsetReference != 0 {
			r.waitingOffset[head.OffsetReference] = append(r.waitingOffset[head.OffsetReference], d)
		} else {
			r.waitingHash[head.Reference] = append(r.waitingHash[head.Reference], d)
		}
		return r.keep(int64(content.Len()))
	}
	return r.add(head.Offset, stored{head.Type, content.Bytes()})
}

func (r *packReader) add(offset int64, o stored) error {
	hash := plumbing.ComputeHash(o.kind, o.content)
	r.objects[hash] = o
	r.ready = append(r.ready, found{o, offset, hash})
	return r.keep(int64(len(o.content)))
}

func (r *packReader) keep(size int64) error {
	if r.kept += size; r.kept > maxKeptBytes {
		return errRepositoryTooLarge
	}
	return nil
}

// resolve applies each delta once, when its base is there.
func (r *packReader) resolve(ctx context.Context) error {
	for len(r.ready) > 0 {
		base := r.ready[len(r.ready)-1]
		r.ready = r.ready[:len(r.ready)-1]
		waiting := append(r.waitingOffset[base.offset], r.waitingHash[base.hash]...)
		delete(r.waitingOffset, base.offset)
		delete(r.waitingHash, base.hash)
		for _, d := range waiting {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if targetSize(d.content) > maxFileBytes {
				continue
			}
			content, err := packfile.PatchDelta(base.content, d.content)
			if err != nil {
				return errBadRepository
			}
			if err := r.add(d.offset, stored{base.kind, content}); err != nil {
				return err
			}
		}
	}
	return nil
}

// targetSize is how long the outcome of a delta is: the second number in it,
// after the length of the base. What cannot be read is too long for anybody.
func targetSize(content []byte) uint64 {
	_, n := binary.Uvarint(content)
	if n <= 0 {
		return math.MaxUint64
	}
	size, n := binary.Uvarint(content[n:])
	if n <= 0 {
		return math.MaxUint64
	}
	return size
}

package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	_ "image/gif" // decoded
	"image/jpeg"
	_ "image/png" // decoded
	"io/fs"
	"path"
	"slices"
	"strings"

	_ "golang.org/x/image/bmp" // decoded
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // decoded

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/fail"
)

const (
	// maxPicture and maxPixels bound what is decoded, by the file's size and by what its
	// header says, and maxDecoded what that takes, in bytes.
	maxPicture = 10 << 20
	maxPixels  = 50_000_000
	maxDecoded = 4 * maxPixels
	// decoding is what all take that are decoded at a time, and leastDecoded what one
	// counts for, so that there are two of them at most.
	decoding     = 256 << 20
	leastDecoded = decoding / 2
	// quality is a thumbnail's, of 100.
	quality = 80
)

var (
	errNoPreview = fail.UnsupportedMediaType("No preview for this file")
	pictures     = []string{".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"}
)

func (h *Handlers) thumbnail(ctx context.Context, t *transfer, name string, info fs.FileInfo, size *int32) (api.DownloadFileResponseObject, error) {
	if !info.Mode().IsRegular() || info.Size() > maxPicture || !slices.Contains(pictures, strings.ToLower(path.Ext(name))) {
		return nil, errNoPreview
	}
	f, err := t.host.Open(name)
	if err != nil {
		return nil, err
	}
	var picture bytes.Buffer
	_, err = f.WriteTo(&limited{ctx, &picture, maxPicture})
	_ = f.Close()
	if err != nil {
		return nil, err
	}
	weight, err := weigh(picture.Bytes())
	if err != nil {
		return nil, errNoPreview
	}
	leave, err := h.pictures.Enter(ctx, t.AccountID)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := h.decodes.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	defer h.decodes.Release(weight)
	side := 100
	if size != nil {
		side = int(*size)
	}
	small, err := shrink(picture.Bytes(), side)
	if err != nil {
		return nil, errNoPreview
	}
	t.end()
	return api.DownloadFile200AsteriskResponse{
		Body: small, ContentType: types[".jpg"], ContentLength: int64(small.Len()),
		Headers: api.DownloadFile200ResponseHeaders{
			AcceptRanges: "none", CacheControl: "private, max-age=3600", ContentDisposition: "inline", ContentSecurityPolicy: sandbox, ReferrerPolicy: referrer,
		},
	}, nil
}

// weigh estimates what decoding a picture takes, in bytes.
func weigh(picture []byte) (int64, error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return 0, err
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return 0, errNoPreview
	}
	each := int64(4)
	switch config.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.CMYKModel:
		each = 8
	}
	if format == "jpeg" && isProgressive(picture) {
		each += 16 // coefficients of all components
	}
	weight := each * int64(config.Width) * int64(config.Height)
	if weight > maxDecoded {
		return 0, errNoPreview
	}
	return max(weight, leastDecoded), nil
}

// isProgressive looks for the frame header of a JPEG (ITU-T T.81, section B.2).
func isProgressive(picture []byte) bool {
	const progressive, scan = 0xc2, 0xda
	for at := 2; at+4 <= len(picture); {
		switch marker := picture[at+1]; {
		case picture[at] != 0xff, marker == 0xff, marker <= 0x01, marker >= 0xd0 && marker <= 0xd8:
			at++ // without a length, or what decoders skip
		case marker == progressive:
			return true
		case marker == scan:
			return false
		default:
			at += 2 + int(binary.BigEndian.Uint16(picture[at+2:]))
		}
	}
	return false
}

// shrink makes a square of the middle of a picture.
func shrink(picture []byte, side int) (*bytes.Buffer, error) {
	whole, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	bounds := whole.Bounds()
	edge := min(bounds.Dx(), bounds.Dy())
	corner := bounds.Min.Add(image.Pt((bounds.Dx()-edge)/2, (bounds.Dy()-edge)/2))
	square := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(square, square.Bounds(), image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(square, square.Bounds(), whole, image.Rectangle{corner, corner.Add(image.Pt(edge, edge))}, draw.Over, nil)
	var small bytes.Buffer
	return &small, jpeg.Encode(&small, square, &jpeg.Options{Quality: quality})
}

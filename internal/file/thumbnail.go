package file

import (
	"bytes"
	"context"
	"image"
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
	// header says; maxDecodes is how many are at a time.
	maxPicture = 10 << 20
	maxPixels  = 50_000_000
	maxDecodes = 2
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
	leave, err := h.decodes.Enter(ctx, struct{}{})
	if err != nil {
		return nil, err
	}
	defer leave()
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

// shrink makes a square of the middle of a picture.
func shrink(picture []byte, side int) (*bytes.Buffer, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return nil, errNoPreview
	}
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

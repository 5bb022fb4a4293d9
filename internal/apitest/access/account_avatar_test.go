package access_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// picture is a WebP image of one pixel.
func picture(t *testing.T) []byte {
	t.Helper()
	image, err := base64.StdEncoding.DecodeString("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=")
	require.NoError(t, err)
	return image
}

func hashOf(t *testing.T, c *testserver.Client) *string {
	t.Helper()
	var me struct{ AvatarHash *string }
	c.Get("/api/account/me").Want(200).Into(&me)
	return me.AvatarHash
}

func TestAvatarIsStoredServedAndRemoved(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve")
	var stored struct{ Message, AvatarHash string }
	// The client says that it is JSON; only the bytes count.
	ada.Post("/api/account/me/avatar", picture(t)).Want(200).Into(&stored)
	require.Equal(t, "Your profile picture has been successfully updated.", stored.Message)
	require.Regexp(t, "^[0-9a-f]{16}$", stored.AvatarHash)
	require.Equal(t, stored.AvatarHash, *hashOf(t, ada))

	other := testserver.Serve(t, s.Pool, s.Vault)
	path := fmt.Sprintf("/api/accounts/%d/avatar", ada.AccountID)
	answer := other.Anonymous.Get(path + "?v=1&token=" + eve.Token).Want(200)
	require.Equal(t, picture(t), answer.Body)
	require.Equal(t, "image/webp", answer.Header.Get("Content-Type"))
	require.Equal(t, "private, max-age=31536000, immutable", answer.Header.Get("Cache-Control"))
	require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
	require.NotContains(t, other.Log.String(), eve.Token, "tokens in queries are not logged")

	for range 2 {
		removed := ada.Delete("/api/account/me/avatar").Want(200)
		require.Equal(t, "Your profile picture has been successfully removed.", removed.Message())
	}
	require.Nil(t, hashOf(t, ada))
	s.Anonymous.Get(path+"?token="+eve.Token).WantError(404, "The requested profile picture does not exist.")
}

func TestAvatarNeedsASessionInTheQuery(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	ada.Post("/api/account/me/avatar", picture(t)).Want(200)
	path := fmt.Sprintf("/api/account/%d/avatar", ada.AccountID)
	ada.Get(path).WantError(401, "Token required")
	ada.Get(path+"?token=").WantError(401, "Token required")
	ada.Get(path+"?token=x").WantError(401, "Invalid token")
	ada.Get(path+"?token="+s.NewAPIKey(t, ada).Token).WantError(401, "Invalid token")
	s.Anonymous.Get("/api/account/0/avatar?token="+ada.Token).WantError(400, "Invalid account ID")
	s.Anonymous.Get("/api/account/987654/avatar?token="+ada.Token).WantError(404, "The requested profile picture does not exist.")
	s.Exec(t, `delete from sessions`)
	s.Anonymous.Get(path+"?token="+ada.Token).WantError(401, "Invalid token")
}

func TestAvatarRefusesWhatIsNoWebP(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	const path = "/api/account/me/avatar"
	ada.Post(path, nil).WantError(400, "You need to provide the image data in the request body.")
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00")
	for name, image := range map[string][]byte{
		"PNG": png, "header only": picture(t)[:12], "cut": picture(t)[:20], "text": []byte("RIFF....WEBP and no more"),
		"SVG": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "WAVE": append([]byte("RIFF\x24\x00\x00\x00WAVE"), picture(t)[12:]...),
	} {
		answer := ada.Post(path, image)
		require.Equal(t, 400, answer.Status, name)
		require.Equal(t, "The provided image must be in the WebP format", answer.Message(), name)
	}
	ada.Post(path, bytes.Repeat([]byte("x"), 1<<20+1)).WantError(413, "The provided image is too large.")
	require.Nil(t, hashOf(t, ada))

	largest := append(picture(t), make([]byte, 1<<20-len(picture(t)))...)
	ada.Post(path, largest).Want(200)
	s.Anonymous.Post(path, picture(t)).Want(400)
}

func TestAvatarIsTakenWithAnyContentType(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	for _, kind := range []string{"", "image/webp", "application/octet-stream", "text/plain", "nonsense"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/account/me/avatar", bytes.NewReader(picture(t)))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+ada.Token)
		if kind != "" {
			request.Header.Set("Content-Type", kind)
		}
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		require.Equal(t, 200, answer.StatusCode, "%q: %s", kind, text)
	}
}

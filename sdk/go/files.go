package nexterm

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
)

// RemoteFile is a file of a host that is read as it comes. It has to be closed.
type RemoteFile struct {
	io.ReadCloser
	// Name is what the server calls it: a folder's ends in .zip.
	Name string
	// Size is in bytes, -1 where nobody knows it yet.
	Size int64
}

// Open begins to download a file, or a folder as a ZIP archive. Nothing is tried again.
func (s *FilesService) Open(ctx context.Context, query DownloadFileQuery) (*RemoteFile, error) {
	//nolint:bodyclose // whoever has the file closes it
	response, err := s.client.stream(ctx, call{name: "Files.Open", method: "GET", path: "/api/entry/sftp", query: query.values()}, nil, 0)
	if err != nil {
		return nil, err
	}
	_, named, _ := mime.ParseMediaType(response.Header.Get("Content-Disposition"))
	return &RemoteFile{response.Body, named["filename"], response.ContentLength}, nil
}

// Write uploads what a reader has, so many bytes or, with -1, until its end. Nothing is
// tried again.
func (s *FilesService) Write(ctx context.Context, query UploadFileQuery, content io.Reader, size int64) (*UploadedFile, error) {
	op := call{name: "Files.Write", method: "POST", path: "/api/entry/sftp/upload", query: query.values()}
	response, err := s.client.stream(ctx, op, content, size)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var uploaded UploadedFile
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&uploaded); err != nil {
		return nil, (&Error{Operation: op.name}).because(ErrUnexpected, "the answer breaks off", err)
	}
	return &uploaded, nil
}

// stream sends a call whose body or answer is longer than memory, and returns when its
// answer begins. It takes as long as it takes.
func (c *Client) stream(ctx context.Context, op call, content io.Reader, size int64) (*http.Response, error) {
	failed := &Error{Operation: op.name}
	request, err := c.request(ctx, op, nil, "")
	if err != nil {
		return nil, failed.because(ErrBadRequest, "the request cannot be made", err)
	}
	if content != nil {
		request.Body, request.ContentLength = io.NopCloser(content), size
		if size == 0 {
			request.Body = http.NoBody
		}
		request.Header.Set("Content-Type", "application/octet-stream")
	}
	patient := *c.http
	patient.Timeout = 0
	response, err := patient.Do(request)
	if err != nil {
		return nil, failed.unreachable(ctx, err)
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	failed.Status, failed.RequestID = response.StatusCode, response.Header.Get("X-Request-Id")
	if !isJSON(response) {
		return nil, failed.foreign(response)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, failed.because(ErrUnexpected, "the answer breaks off", err)
	}
	return nil, failed.refused(response, answer)
}

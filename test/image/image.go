// Package image writes container images of one static binary, without a daemon and without a base image.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nonRoot is the user and group of every image, as numbers: the kubelet can tell that they are not root's, and the
// image needs no /etc/passwd.
const nonRoot = "65532:65532"

// Options say what an image is.
type Options struct {
	Binary     string // path of a static binary for linux, which becomes the file of its name in /
	Arch       string // GOARCH of the binary
	Name       string // with the tag
	Entrypoint []string
	Labels     map[string]string
	Created    time.Time // the same for the same bytes
}

// Write writes the image to the file out, in the format of docker save, which docker load, podman load and ctr images
// import take. The same options and binary give the same bytes.
func Write(out string, o Options) error {
	tag, err := name.NewTag(o.Name)
	if err != nil {
		return fmt.Errorf("%q is no name for an image: %w", o.Name, err)
	}
	files, err := layer(o.Binary)
	if err != nil {
		return err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil }
	content, err := tarball.LayerFromOpener(opener)
	if err != nil {
		return err
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   content,
		History: v1.History{Created: v1.Time{Time: o.Created}, CreatedBy: "COPY " + filepath.Base(o.Binary) + " /"},
	})
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", o.Arch, v1.Time{Time: o.Created}
	config.Config = v1.Config{User: nonRoot, Entrypoint: o.Entrypoint, Labels: o.Labels, WorkingDir: "/"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	return tarball.WriteToFile(out, tag, image)
}

// layer is an archive of the binary alone, owned by root, who does not run it, and without a time of its own.
func layer(binary string) ([]byte, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("there is no binary for the image: %w", err)
	}
	var files bytes.Buffer
	archive := tar.NewWriter(&files)
	err = archive.WriteHeader(&tar.Header{Name: filepath.Base(binary), Mode: 0o755, Size: int64(len(data)),
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = archive.Write(data)
	}
	if err == nil {
		err = archive.Close()
	}
	return files.Bytes(), err
}

package node

import (
	"context"
	"path/filepath"
	"runtime"
	"time"

	"github.com/podvet/podvet/test/image"
)

// AppImage is the name of the image of the tests' app, see app/main.go, which every node has.
const AppImage = "localhost/app:1"

// importOwn builds and imports the images that every node has: pause, which the pods stand on, and app.
func (n *Node) importOwn(ctx context.Context) error {
	for name, tag := range map[string]string{"pause": "localhost/pause:1", "app": AppImage} {
		binary, archive := n.home.path(filepath.Join("images", name)), n.home.path(filepath.Join("images", name+".tar"))
		if err := buildStatic(ctx, binary, "github.com/podvet/podvet/test/node/app"); err != nil {
			return err
		}
		err := image.Write(archive, image.Options{
			Binary: binary, Arch: runtime.GOARCH, Name: tag, Entrypoint: []string{"/" + name}, Created: time.Unix(0, 0),
		})
		if err != nil {
			return err
		}
		if err := n.Import(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

// Command build writes podvet's image from its binary, as cmd/podvet/Dockerfile would. make image runs it where there
// is no docker.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/podvet/podvet/test/image"
)

func main() {
	binary := flag.String("binary", "", "path of podvet, a static binary for linux")
	arch := flag.String("arch", "", "GOARCH of the binary")
	name := flag.String("name", "", "name of the image, with the tag")
	version := flag.String("version", "", "version of podvet")
	revision := flag.String("revision", "", "commit that it is built from")
	created := flag.Int64("created", 0,
		"when it was made, in seconds since 1970: the time of the commit, so that it is the same again")
	out := flag.String("out", "", "file to write, which docker load takes")
	flag.Parse()
	when := time.Unix(*created, 0).UTC()
	err := image.Write(*out, image.Options{
		Binary: *binary, Arch: *arch, Name: *name, Entrypoint: []string{"/podvet"}, Created: when,
		Labels: map[string]string{
			"org.opencontainers.image.title": "podvet",
			"org.opencontainers.image.description": "Vets pods: will they start, stay healthy, restart and stop as " +
				"their author meant?",
			"org.opencontainers.image.source":   "https://github.com/podvet/podvet",
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version":  *version,
			"org.opencontainers.image.revision": *revision,
			"org.opencontainers.image.created":  when.Format(time.RFC3339),
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "image: "+err.Error())
		os.Exit(1)
	}
}

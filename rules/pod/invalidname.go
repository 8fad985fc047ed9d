package pod

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// names looks at the names and images of all containers: a name is a DNS label and no two share one, and blanks around
// an image are let stand in templates alone (validateContainerCommon and the functions around it). Refuses asks none of
// this: a webhook after podvet's may still write an image.
func (v *invalid) names(s *Subject) {
	taken := map[string]bool{}
	look := func(at *invalid, c *corev1.Container, inPod bool) {
		switch {
		case c.Name == "":
			at.bad("name", "is missing: write one")
		case !isLabel(c.Name):
			at.bad("name", "%q is not a valid container name: write at most %d lowercase letters, digits and hyphens "+
				"between them", c.Name, validation.DNS1123LabelMaxLength)
		case taken[c.Name]:
			at.bad("name", "%q is the name of another container of this pod: rename one", c.Name)
		}
		taken[c.Name] = true
		if c.Image == "" {
			at.bad("image", "is missing: write one")
		} else if inPod && strings.TrimSpace(c.Image) != c.Image {
			at.bad("image", "%q has blanks around it: remove them", c.Image)
		}
	}
	for i := range s.Spec.Containers {
		look(v.item("containers", i), &s.Spec.Containers[i], !s.Template)
	}
	for i := range s.Spec.InitContainers {
		look(v.item("initContainers", i), &s.Spec.InitContainers[i], !s.Template)
	}
	for i := range s.Spec.EphemeralContainers {
		c := corev1.Container(s.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		look(v.item("ephemeralContainers", i), &c, true)
	}
}

// isLabel tells whether a name is a DNS label, as IsDNS1123Label of k8s.io/apimachinery does with an expression.
func isLabel(name string) bool {
	return name != "" && len(name) <= validation.DNS1123LabelMaxLength && name[0] != '-' && name[len(name)-1] != '-' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

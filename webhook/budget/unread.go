package budget

import "bytes"

// place is where in a review an object or a list is, as far as that tells what of it is read.
type place uint8

const (
	elsewhere place = iota
	outside         // of the review
	inReview
	inRequest
	inKind // of the object, which the API server writes before it
	inMetadata
	inObject
	inOldObject
	inPod // the object, if the review is about a pod
	inPodSpec
	inContainers
	inInitContainers
	inContainer
)

// under is the place of what stands under a key, nil in a list.
func (p place) under(key []byte, isPod bool) place {
	switch name := string(key); {
	case name == "metadata":
		return inMetadata
	case p == outside:
		return inReview
	case p == inReview && name == "request":
		return inRequest
	case p == inRequest && name == "kind":
		return inKind
	case p == inRequest && name == "object" && isPod:
		return inPod
	case p == inRequest && name == "object":
		return inObject
	case p == inRequest && name == "oldObject":
		return inOldObject
	case p == inPod && name == "spec":
		return inPodSpec
	case p == inPodSpec && name == "containers":
		return inContainers
	case p == inPodSpec && name == "initContainers":
		return inInitContainers
	case p == inContainers || p == inInitContainers:
		return inContainer
	}
	return elsewhere
}

// namesPod tells whether a text under a key says that the review is about a pod.
func (p place) namesPod(key, text []byte) bool {
	return p == inKind && string(key) == "kind" && string(text) == "Pod"
}

// unreadEnd is where a value ends that is not read, 0 for one that is. Of a container's resources only the names of
// accelerators are read, and these have a slash (pod.Container.Accelerated).
func (p place) unreadEnd(body []byte, begin int, key []byte) int {
	resources := p == inContainer && string(key) == "resources"
	if !resources && !p.unread(key) {
		return 0
	}
	end := valueEnd(body, begin)
	if value := body[begin:end]; resources && (bytes.IndexByte(value, '/') >= 0 || bytes.IndexByte(value, '\\') >= 0) {
		return 0
	}
	return end
}

// unread tells whether neither a rule nor podvet itself reads what stands under a key. Of workloads all is read: an
// update that leaves the template as it was is not judged.
func (p place) unread(key []byte) bool {
	switch p {
	case inRequest:
		switch string(key) {
		case "options", "requestKind", "requestResource", "resource", "userInfo":
			return true
		}
	case inMetadata:
		switch string(key) {
		case "creationTimestamp", "managedFields", "uid":
			return true
		}
	case inPod:
		return string(key) == "status"
	case inPodSpec:
		switch string(key) {
		case "affinity", "dnsConfig", "dnsPolicy", "hostAliases", "imagePullSecrets", "overhead", "preemptionPolicy",
			"resourceClaims", "schedulerName", "schedulingGates", "securityContext", "serviceAccount",
			"serviceAccountName", "tolerations", "topologySpreadConstraints", "volumes":
			return true
		}
	case inContainer:
		switch string(key) {
		case "env", "envFrom", "imagePullPolicy", "securityContext", "terminationMessagePath",
			"terminationMessagePolicy", "volumeDevices", "volumeMounts":
			return true
		}
	}
	return false
}

package budget

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Plain is the review of a new pod as the API server writes it: without spaces, the pod's kind and the operation before
// the pod, and nothing that is rare.
type Plain struct {
	APIVersion, Kind           string // of the review
	UID                        types.UID
	Subject                    metav1.GroupVersionKind
	Name, Namespace, Operation string
	DryRun                     bool
	Object                     Span  // the pod in the body
	Room                       *Room // the pod as it was read
	Takes                      int64 // bytes, with judging it
}

// MostPlain is what a plain review of a length takes at most, in bytes.
func MostPlain(length int) int64 { return judged(mostRead(length)) }

// mostRead is what reading it does. Pods with more than that for their length have little but empty containers.
func mostRead(length int) int64 { return 64<<10 + 16*int64(length) }

// ReadPlain reads a plain review in one pass over its bytes: most are plain. It returns nil for any other, which may be
// in order all the same: Weigh it, then decode it. The room is the caller's to leave.
func ReadPlain(body []byte) *Plain {
	p, c := &Plain{}, cursor{body: body, most: mostRead(len(body))}
	c.object(func(key []byte) {
		switch string(key) {
		case "kind":
			p.Kind = c.string()
		case "apiVersion":
			p.APIVersion = c.string()
		case "request":
			c.request(p)
		default:
			c.fail()
		}
	})
	c.eat('\n')
	if c.failed || c.at < len(body) || p.Room == nil {
		p.Room.Leave()
		return nil
	}
	p.Namespace = strings.Clone(p.Namespace) // metrics keep it, and would keep what it shares a room with
	p.Takes = judged(c.takes)
	return p
}

func (c *cursor) request(p *Plain) {
	c.object(func(key []byte) {
		switch string(key) {
		case "uid":
			p.UID = types.UID(c.string())
		case "kind":
			p.Subject = c.kind()
		case "name":
			p.Name = c.string()
		case "namespace":
			p.Namespace = c.string()
		case "operation":
			p.Operation = c.string()
		case "dryRun":
			p.DryRun = c.bool()
		case "object":
			c.newPod(p)
		case "oldObject":
			c.null()
		default:
			c.pass(inRequest)
		}
	})
}

// newPod reads the object, if it is a pod that is being created.
func (c *cursor) newPod(p *Plain) {
	isPod := p.Subject == metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
	if !isPod || p.Operation != "CREATE" || p.Room != nil {
		c.fail()
		return
	}
	p.Room = Enter(0, 0)
	begin := c.at
	c.pod(&p.Room.Pod)
	p.Object = Span{begin, c.at}
}

func (c *cursor) kind() (k metav1.GroupVersionKind) {
	c.object(func(key []byte) {
		switch string(key) {
		case "group":
			k.Group = c.string()
		case "version":
			k.Version = c.string()
		case "kind":
			k.Kind = c.string()
		default:
			c.fail()
		}
	})
	return k
}

func (c *cursor) pod(p *corev1.Pod) {
	c.object(func(key []byte) {
		switch string(key) {
		case "kind":
			p.Kind = c.string()
		case "apiVersion":
			p.APIVersion = c.string()
		case "metadata":
			c.meta(&p.ObjectMeta)
		case "spec":
			c.spec(&p.Spec)
		default:
			c.pass(inPod)
		}
	})
}

func (c *cursor) meta(m *metav1.ObjectMeta) {
	c.object(func(key []byte) {
		switch string(key) {
		case "name":
			m.Name = c.string()
		case "generateName":
			m.GenerateName = c.string()
		case "namespace":
			m.Namespace = c.string()
		case "labels":
			m.Labels = c.texts()
		case "annotations":
			m.Annotations = c.texts()
		case "finalizers":
			m.Finalizers = c.strings()
		case "ownerReferences":
			m.OwnerReferences = []metav1.OwnerReference{}
			c.list(func() { m.OwnerReferences = append(m.OwnerReferences, c.owner()) })
		case "generation":
			m.Generation = c.int(64)
		default:
			c.pass(inMetadata)
		}
	})
}

func (c *cursor) owner() (o metav1.OwnerReference) {
	c.object(func(key []byte) {
		switch string(key) {
		case "apiVersion":
			o.APIVersion = c.string()
		case "kind":
			o.Kind = c.string()
		case "name":
			o.Name = c.string()
		case "uid":
			o.UID = types.UID(c.string())
		case "controller":
			o.Controller = new(c.bool())
		case "blockOwnerDeletion":
			o.BlockOwnerDeletion = new(c.bool())
		default:
			c.fail()
		}
	})
	return o
}

func (c *cursor) spec(s *corev1.PodSpec) {
	c.object(func(key []byte) {
		switch string(key) {
		case "initContainers":
			s.InitContainers = c.containers(s.InitContainers[:0])
		case "containers":
			s.Containers = c.containers(s.Containers[:0])
		case "restartPolicy":
			s.RestartPolicy = corev1.RestartPolicy(c.string())
		case "terminationGracePeriodSeconds":
			s.TerminationGracePeriodSeconds = new(c.int(64))
		case "activeDeadlineSeconds":
			s.ActiveDeadlineSeconds = new(c.int(64))
		case "nodeSelector":
			s.NodeSelector = c.texts()
		case "automountServiceAccountToken":
			s.AutomountServiceAccountToken = new(c.bool())
		case "hostNetwork":
			s.HostNetwork = c.bool()
		case "hostname":
			s.Hostname = c.string()
		case "subdomain":
			s.Subdomain = c.string()
		case "priorityClassName":
			s.PriorityClassName = c.string()
		case "priority":
			s.Priority = new(c.int32())
		case "enableServiceLinks":
			s.EnableServiceLinks = new(c.bool())
		default:
			c.pass(inPodSpec)
		}
	})
}

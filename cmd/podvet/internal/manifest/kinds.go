package manifest

import (
	"slices"
	"strings"

	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
)

// OfKubernetes tells whether an apiVersion is of one of Kubernetes' own groups, whatever its letter case: in any other
// group a kind may have any name. Those of its special interest groups' own projects are custom resources.
func OfKubernetes(apiVersion string) bool {
	group, _, found := strings.Cut(strings.ToLower(apiVersion), "/")
	if !found {
		return true // the core group
	}
	return slices.Contains([]string{"core", "apps", "batch", "extensions", "autoscaling", "policy"}, group) ||
		strings.HasSuffix(group, ".k8s.io") && !strings.HasSuffix(group, ".sigs.k8s.io")
}

// ownKinds are the kinds of Kubernetes' own groups that podvet does not judge, the newest version of each
// (k8s.io/client-go/kubernetes/scheme, and what the API server adds). Of those in several groups the first
// group is the one to write.
const ownKinds = `
v1: Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume
v1: PersistentVolumeClaim PodTemplate RangeAllocation ResourceQuota Secret Service ServiceAccount
admissionregistration.k8s.io/v1: MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1: MutatingWebhookConfiguration ValidatingAdmissionPolicy
admissionregistration.k8s.io/v1: ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration
apiextensions.k8s.io/v1: CustomResourceDefinition
apiregistration.k8s.io/v1: APIService
apps/v1: ControllerRevision
authentication.k8s.io/v1: SelfSubjectReview TokenRequest TokenReview
authorization.k8s.io/v1: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview
autoscaling/v2: HorizontalPodAutoscaler
certificates.k8s.io/v1: CertificateSigningRequest ClusterTrustBundle PodCertificateRequest
coordination.k8s.io/v1: Lease
coordination.k8s.io/v1beta1: LeaseCandidate
discovery.k8s.io/v1: EndpointSlice
events.k8s.io/v1: Event
audit.k8s.io/v1: Event
flowcontrol.apiserver.k8s.io/v1: FlowSchema PriorityLevelConfiguration
internal.apiserver.k8s.io/v1alpha1: StorageVersion
networking.k8s.io/v1: IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR
node.k8s.io/v1: RuntimeClass
policy/v1: Eviction PodDisruptionBudget
lifecycle.k8s.io/v1alpha1: Eviction EvictionRequest
rbac.authorization.k8s.io/v1: ClusterRole ClusterRoleBinding Role RoleBinding
resource.k8s.io/v1: DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice
resource.k8s.io/v1alpha3: ResourcePoolStatusRequest
scheduling.k8s.io/v1: PriorityClass
scheduling.k8s.io/v1beta1: PodGroup Workload
scheduling.k8s.io/v1alpha3: CompositePodGroup
storage.k8s.io/v1: CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass
storagemigration.k8s.io/v1: StorageVersionMigration
extensions/v1beta1: Ingress NetworkPolicy HorizontalPodAutoscaler
`

// ownKind is a kind of Kubernetes' own.
type ownKind struct {
	name        string
	apiVersions []string // one of each group
}

// byLowerCase are the rows of ownKinds, and the kinds that podvet judges.
var byLowerCase = func() map[string]*ownKind {
	rows := map[string]*ownKind{"list": {"List", []string{"v1"}}}
	for line := range strings.Lines(strings.TrimSpace(ownKinds)) {
		apiVersion, names, _ := strings.Cut(line, ": ")
		for name := range strings.FieldsSeq(names) {
			key := strings.ToLower(name)
			if rows[key] == nil {
				rows[key] = &ownKind{name: name}
			}
			rows[key].apiVersions = append(rows[key].apiVersions, apiVersion)
		}
	}
	for _, name := range pod.OwnerKinds() {
		rows[strings.ToLower(name)] = &ownKind{name, []string{pod.APIVersion(name)}}
	}
	for _, row := range custom.Table() {
		if own := rows[strings.ToLower(row.Kind)]; own != nil && row.Versions != nil { // Kubernetes once served these
			own.apiVersions = append(own.apiVersions, row.APIVersions()...)
		}
	}
	return rows
}()

// ownKindLike finds the kind that a name means, which may differ in case or be a plural; nil for none.
func ownKindLike(name string) *ownKind {
	name = strings.ToLower(name)
	if kind := byLowerCase[name]; kind != nil {
		return kind
	}
	return byLowerCase[strings.TrimSuffix(name, "s")]
}

// takes tells whether the kind is one of an apiVersion's group, written as groups are. Which versions there were is
// not known, but for the core group.
func (k *ownKind) takes(apiVersion string) bool {
	group, version, found := strings.Cut(apiVersion, "/")
	switch {
	case apiVersion != strings.ToLower(apiVersion):
		return false
	case !found && apiVersion != "v1" && !strings.HasPrefix(apiVersion, "v1beta"):
		return false
	case found && version == "":
		return false
	}
	return slices.ContainsFunc(k.apiVersions, func(one string) bool {
		own, _, grouped := strings.Cut(one, "/")
		return grouped == found && (!found || own == group)
	})
}

package timeline

const (
	// restartAllFrom is the version that can restart all containers of a pod.
	restartAllFrom = 36
	// asksAtOnceFrom: from it on the runtime is asked after a sync that has changed something (PLEGOnDemandRelist).
	asksAtOnceFrom = 36
	// returnsAtOther: up to this version AddPod makes no further worker where one is there already.
	returnsAtOther = 36
	// endedCountsFrom is the version from which an app container that has ended shows that the pod is initialized.
	// Before, a sidecar that is not started keeps app containers from being restarted while none of them runs.
	endedCountsFrom = 37
	// fixedReadinessAtEnd: from this version on a pod that is deleted is probed by exec, too (kubernetes#140882).
	fixedReadinessAtEnd = 37
)

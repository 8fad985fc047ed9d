package node

// A patient is a pod, or a workload with its pods, and what podvet why has to say of it.
type patient struct {
	name     string
	asked    string // TYPE/NAME, the pod's name where empty
	manifest string // of lifePod and the like
	first    string // id of the first diagnosis, "" where nothing is wrong
	also     string // ids of those that follow, divided by blanks
	deleted  bool   // some time before it is looked at
}

const (
	sick        = lifePod + "  terminationGracePeriodSeconds: 1\n"
	sickProxied = sick + `
  initContainers:
  - {name: proxy, IMAGE, args: ["-address=:8081"], restartPolicy: Always, PROBE}
`
	sickDeployment = `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  progressDeadlineSeconds: 15
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 1
`
)

var patients = []patient{
	{name: "boot-liveness", first: "killed-at-boot", manifest: sick + `
  containers:
  - {name: app, IMAGE, args: [-boot=12s], livenessProbe: {httpGet: {port: http}, periodSeconds: 3, failureThreshold: 2}}
`},
	{name: "boot-startup", first: "killed-at-boot", manifest: sick + `
  containers:
  - {name: app, IMAGE, args: [-boot=12s], startupProbe: {httpGet: {port: http}, periodSeconds: 3, failureThreshold: 2}}
`},
	{name: "boot-exec", first: "killed-at-boot", manifest: sick + `
  containers:
  - {name: app, SHELL, livenessProbe: {exec: {command: [sleep, "5"]}, periodSeconds: 2, failureThreshold: 2}}
FILES`},
	{name: "hang", first: "killed-after-hang", also: "killed-after-grace", manifest: lifePod + `
  terminationGracePeriodSeconds: 3
  containers:
  - {name: app, IMAGE, args: [-hang=20s, -shutdown=30s],
     livenessProbe: {httpGet: {port: http}, periodSeconds: 2, failureThreshold: 5}}
`},
	{name: "hang-prestop", first: "killed-after-hang", also: "prestop-fails", manifest: sick + `
  containers:
  - {name: app, IMAGE, args: [-hang=20s], lifecycle: {preStop: {exec: {command: [/missing]}}},
     livenessProbe: {httpGet: {port: http}, periodSeconds: 2, failureThreshold: 5}}
`},
	{name: "startup-port", first: "never-started", manifest: sick + `
  containers:
  - {name: app, IMAGE, startupProbe: {httpGet: {port: web}, periodSeconds: 2}}
`},
	{name: "startup-exec", first: "never-started", manifest: sick + `
  containers:
  - {name: app, IMAGE, startupProbe: {exec: {command: ["test -e /app"]}, periodSeconds: 2}}
`},
	{name: "ready-refused", first: "never-ready", manifest: sick + `
  containers:
  - {name: app, IMAGE, readinessProbe: {httpGet: {port: 9090}, periodSeconds: 2}}
`},
	{name: "ready-exec", first: "never-ready", manifest: sick + `
  containers:
  - {name: app, IMAGE, readinessProbe: {exec: {command: ["test -e /app"]}, periodSeconds: 2}}
`},
	{name: "ready-no-more", first: "not-ready-any-more", manifest: sick + `
  containers:
  - {name: app, IMAGE, args: [-hang=15s], readinessProbe: {httpGet: {port: http}, periodSeconds: 2}}
`},
	{name: "ready-gate", first: "readiness-gate", manifest: sick + `
  readinessGates: [{conditionType: example.com/balanced}]
  containers:
  - {name: app, IMAGE, readinessProbe: {httpGet: {port: http}, periodSeconds: 2}}
`},
	{name: "proxy-not-ready", first: "never-ready", manifest: sickProxied + `
  containers:
  - {name: app, IMAGE}
`},
	{name: "proxy-blocks", first: "never-started", manifest: sickProxied + `
  containers:
  - {name: app, IMAGE}
`},
	{name: "init-fails", first: "init-fails", manifest: sick + `
  initContainers:
  - {name: init, SHELL, command: [sh, -c, "exit 2"]}
  containers:
  - {name: app, IMAGE}
FILES`},
	{name: "init-runs", manifest: sick + `
  initContainers:
  - {name: init, SHELL, command: [sleep, "600"]}
  containers:
  - {name: app, IMAGE}
FILES`},
	{name: "ends", first: "ends-by-itself", manifest: sick + `
  containers:
  - {name: app, SHELL, command: [sh, -c, "sleep 1; exit 3"]}
FILES`},
	{name: "completes", first: "completes-again-and-again", manifest: sick + `
  containers:
  - {name: app, IMAGE, args: [-exit=1s]}
`},
	{name: "signal", first: "killed-by-signal", manifest: sick + `
  containers:
  - {name: app, SHELL, command: [sh, -c, "sleep 1; sh -c 'kill -9 $$$$'; exit $?"]}
FILES`},
	{name: "memory", first: "out-of-memory", manifest: sick + `
  containers:
  - {name: app, SHELL, command: [sh, -c, "sleep 1; a=x; while :; do a=$a$a; done"],
     resources: {limits: {memory: 24Mi}}}
FILES`},
	{name: "poststart", first: "poststart-fails", manifest: sick + `
  containers:
  - {name: app, IMAGE, lifecycle: {postStart: {exec: {command: [/missing]}}}}
`},
	{name: "finalizer", first: "stuck-terminating", deleted: true, manifest: `---
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}, finalizers: [example.com/wait]}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, IMAGE}
`},
	{name: "stops-slowly", deleted: true, manifest: lifePod + `
  terminationGracePeriodSeconds: 300
  containers:
  - {name: app, IMAGE, args: [-shutdown=250s]}
`},
	{name: "image-never", first: "image", manifest: sick + `
  containers:
  - {name: app, image: "localhost/none:1", imagePullPolicy: Never}
`},
	{name: "image-pull", first: "image", manifest: sick + `
  containers:
  - {name: app, image: "127.0.0.1:9/none:1"}
`},
	{name: "unscheduled", first: "unscheduled", manifest: sick + `
  nodeSelector: {disk: fast}
  containers:
  - {name: app, IMAGE}
`},
	{name: "config", first: "cannot-be-made", manifest: sick + `
  containers:
  - {name: app, IMAGE, envFrom: [{configMapRef: {name: missing}}]}
`},
	{name: "command", first: "cannot-be-made", manifest: sick + `
  containers:
  - {name: app, IMAGE, command: [/missing]}
`},
	{name: "volume", first: "volume", manifest: sick + `
  containers:
  - {name: app, IMAGE, volumeMounts: [{name: secret, mountPath: /secret}]}
  volumes: [{name: secret, secret: {secretName: missing}}]
`},
	{name: "deadline", first: "deadline", manifest: sick + `
  activeDeadlineSeconds: 10
  containers:
  - {name: app, IMAGE}
`},
	{name: "no-progress", asked: "deploy/no-progress", first: "never-ready", also: "no-progress",
		manifest: sickDeployment + `
      containers:
      - {name: app, IMAGE, readinessProbe: {httpGet: {port: 9090}, periodSeconds: 2}}
`},
	{name: "no-pods", asked: "deploy/no-pods", first: "no-pods", manifest: sickDeployment + `
      serviceAccountName: missing
      containers:
      - {name: app, IMAGE}
`},
	{name: "job-proxy", asked: "job/job-proxy", first: "job-never-completes", manifest: lifeJob + `
      containers:
      - {name: app, IMAGE, args: [-exit=2s]}
      - {name: proxy, IMAGE, args: ["-address=:8081"]}
`},
	{name: "job-fails", asked: "job/job-fails", first: "job-failed", also: "ends-by-itself", manifest: `---
apiVersion: batch/v1
kind: Job
metadata: {name: NAME}
spec:
  backoffLimit: 1
  template:
    metadata: {labels: {app: NAME}}
    spec:
      restartPolicy: Never
      containers:
      - {name: app, IMAGE, args: [-no-such-flag]}
`},

	{name: "well", manifest: sick + `
  containers:
  - {name: app, IMAGE, livenessProbe: {httpGet: {port: http}, periodSeconds: 2, failureThreshold: 30},
     readinessProbe: {httpGet: {port: http}, periodSeconds: 2}}
`},
	{name: "well-bare", manifest: sick + `
  containers:
  - {name: app, IMAGE}
`},
	{name: "well-boots", manifest: sick + `
  containers:
  - {name: app, IMAGE, args: [-boot=300s],
     startupProbe: {httpGet: {port: http}, periodSeconds: 2, failureThreshold: 200}}
`},
	{name: "well-proxied", manifest: sickProxied + `
  containers:
  - {name: app, IMAGE}
`},
	{name: "well-once", manifest: sick + `
  containers:
  - {name: app, SHELL, command: [sh, -c, "test -e /runs/1 && exec sleep 600; touch /runs/1; sleep 2; exit 1"]}
FILES`},
	{name: "well-after-init", manifest: sick + `
  initContainers:
  - {name: init, SHELL, command: [sh, -c, "sleep 3"]}
  containers:
  - {name: app, IMAGE}
FILES`},
	{name: "well-ended", manifest: sick + `
  restartPolicy: OnFailure
  containers:
  - {name: app, IMAGE, args: [-exit=3s]}
`},
	{name: "well-job", asked: "job/well-job", manifest: lifeJob + `
      containers:
      - {name: app, IMAGE, args: [-exit=3s]}
`},
	{name: "well-deployment", asked: "deployment/well-deployment", manifest: sickDeployment + `
      containers:
      - {name: app, IMAGE, readinessProbe: {httpGet: {port: http}, periodSeconds: 2}}
`},
}

// proxyProbes are the probes of the pods that have a sidecar.
var proxyProbes = map[string]string{
	"proxy-not-ready": "readinessProbe: {httpGet: {port: 9090}, periodSeconds: 2}",
	"proxy-blocks":    "startupProbe: {httpGet: {port: web}, periodSeconds: 2}",
	"well-proxied":    "startupProbe: {httpGet: {port: 8081}, periodSeconds: 2, failureThreshold: 30}",
}

"""The status that kwok writes into a fake pod: Go templates, one a turn of the pod's life.

Which pod takes which turn, and what a tag means, says ``devcluster.stages``. The functions are
kwok's and Sprig's; ``.`` is the pod.
"""

_IDENTITY = """
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
"""

# A container that was never created has no IDs, as with a real kubelet.
_NOT_CREATED = """
  imageID: ""
"""
_CREATED = """
  imageID: "{{ regexReplaceAll ":[^/:]*$" .image "" }}@sha256:{{ sha256sum .image }}"
  containerID: "kwok://{{ sha256sum (printf "%s %s" $uid .name) }}"
"""

_STUCK_STATES = (
    """
  {{ if regexMatch ":[^/:]*badimage" .image }}"""
    + _NOT_CREATED
    + """
  ready: false
  started: false
  restartCount: 0
  state:
    waiting:
      reason: ImagePullBackOff
      message: "Back-off pulling image {{ .image }}"
  {{ else if regexMatch ":[^/:]*crash" .image }}"""
    + _CREATED
    + """
  ready: false
  started: false
  restartCount: 1
  state:
    waiting:
      reason: CrashLoopBackOff
      message: "back-off 10s restarting failed container={{ .name }}"
  lastState:
    terminated:
      exitCode: 1
      reason: Error
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
"""
)

START = (
    """
{{ $now := Now }}
{{ $uid := or .metadata.uid "" }}
{{ $initialized := true }}
{{ range .spec.initContainers }}
{{ if regexMatch ":[^/:]*(crash|badimage|unready)" .image }}{{ $initialized = false }}{{ end }}
{{ end }}
{{ $ready := $initialized }}
{{ $pulled := $initialized }}
{{ range .spec.containers }}
{{ if regexMatch ":[^/:]*(crash|badimage|unready|slow)" .image }}{{ $ready = false }}{{ end }}
{{ if regexMatch ":[^/:]*badimage" .image }}{{ $pulled = false }}{{ end }}
{{ end }}
conditions:
- type: Initialized
  status: "{{ if $initialized }}True{{ else }}False{{ end }}"
  lastTransitionTime: {{ $now | Quote }}
{{ range $type := list "Ready" "ContainersReady" }}
- type: {{ $type }}
  status: "{{ if $ready }}True{{ else }}False{{ end }}"
  {{ if not $ready }}reason: ContainersNotReady{{ end }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
{{ range .spec.readinessGates }}
- type: {{ .conditionType | Quote }}
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}"""
    + _IDENTITY
    + """
  {{ if not $initialized }}"""
    + _NOT_CREATED
    + """
  ready: false
  started: false
  restartCount: 0
  state:
    waiting:
      reason: PodInitializing
  {{ else }}"""
    + _STUCK_STATES
    + """
  {{ else }}"""
    + _CREATED
    + """
  ready: {{ not (regexMatch ":[^/:]*(unready|slow)" .image) }}
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
  {{ end }}
  {{ end }}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}"""
    + _IDENTITY
    + _STUCK_STATES
    + """
  {{ else if regexMatch ":[^/:]*unready" .image }}"""
    + _CREATED
    + """
  ready: false
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
  {{ else if eq (or .restartPolicy "") "Always" }}"""
    + _CREATED
    + """
  ready: true
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
  {{ else }}"""
    + _CREATED
    + """
  ready: true
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
  {{ end }}
{{ end }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName (or .spec.hostNetwork false) $uid .metadata.name (or .metadata.namespace "") | Quote }}
phase: {{ if $pulled }}Running{{ else }}Pending{{ end }}
startTime: {{ $now | Quote }}
"""  # noqa: E501 - a template's line cannot be broken
)

# A strategic merge patch replaces containerStatuses as a whole (it has no merge key), so the
# list is repeated from the live status.
_REPEAT = """
{{ $now := Now }}
containerStatuses:
{{ range .status.containerStatuses }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .imageID | Quote }}
  containerID: {{ .containerID | Quote }}
"""

READY = (
    """
{{ $since := Now }}
conditions:
{{ range $type := list "Ready" "ContainersReady" }}
- type: {{ $type }}
  status: "True"
  reason: null
  lastTransitionTime: {{ $since | Quote }}
{{ end }}"""
    + _REPEAT
    + """
  ready: true
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ .state.running.startedAt | Quote }}
{{ end }}
"""
)


def _ended(phase: str, exit_code: int, reason: str) -> str:
    return (
        _REPEAT
        + f"""
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: {exit_code}
      reason: {reason}
      startedAt: {{{{ $now | Quote }}}}
      finishedAt: {{{{ $now | Quote }}}}
{{{{ end }}}}
phase: {phase}
"""
    )


COMPLETED = _ended("Succeeded", 0, "Completed")
FAILED = _ended("Failed", 1, "Error")

{{/* The pods of a model: one template for Deployments, StatefulSets and the two roles of LeaderWorkerSets. */}}

{{/* (root, models, model, role): role is "" on one node, leader or rank on several. */}}
{{- define "paddock.modelPod" -}}
{{- $root := index . 0 -}}
{{- $model := index . 2 -}}
{{- $role := index . 3 -}}
{{- $config := include "paddock.modelConfig" (list $root (index . 1) $model) -}}
{{- $component := eq $role "rank" | ternary "rank" "model" -}}
{{- $gpu := gt (int $model.gpus) 0 -}}
{{- $secret := eq $role "rank" | ternary "" (include "paddock.certificate" (list $root $model.key)) -}}
metadata:
  labels:
    {{- include "paddock.podLabels" (list $root $component $model.key) | nindent 4 }}
    {{- with $model.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ sha256sum $config }}
    {{- with $model.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "paddock.name" (list $root "models" "") }}
  automountServiceAccountToken: false
  {{- include "paddock.podSecurity" $root | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "paddock.grace" (list ($config | fromYaml) $model.drain) }}
  {{- include "paddock.modelPlacement" (list $model (include "paddock.selector" (list $root $component $model.key)) $gpu) | nindent 2 }}
  {{- if eq $model.filledBy "job" }}
  initContainers:
    - name: wait
      {{- include "paddock.modelImage" (list $root $model) | nindent 6 }}
      command: [sh, -ec, {{ include "paddock.waitScript" . | quote }}]
      args: [wait, /var/cache/paddock/ready/{{ $model.marker }}, {{ $model.cache.budgetSeconds | quote }}]
      resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
      volumeMounts:
        - {name: cache, mountPath: /var/cache/paddock, readOnly: true}
  {{- else if eq $model.filledBy "pod" }}
  initContainers:
    - name: fill
      {{- include "paddock.fill" (list $root $model) | nindent 6 }}
  {{- end }}
  containers:
    - name: {{ default "model" $role }}
      {{- include "paddock.modelImage" (list $root $model) | nindent 6 }}
      {{- if eq $role "leader" }}
      command: [sh, -ec, {{ include "paddock.leaderScript" $model | quote }}, leader]
      {{- else if eq $role "rank" }}
      command: [sh, -ec, {{ include "paddock.rankScript" . | quote }}]
      {{- end }}
      {{- if ne $role "rank" }}
      args: [serve, --config-dir, /etc/paddock, model=model]
      {{- end }}
      env: {{- include "paddock.withOwnEnv" (list (include "paddock.modelEnv" (list $root $model)) $model.env) | nindent 8 }}
      {{- if ne $role "rank" }}
      ports: {{- include "paddock.ports" . | nindent 8 }}
      {{- include "paddock.probes" (list $model.startup.budgetSeconds) | nindent 6 }}
      {{- if eq $role "leader" }}
      lifecycle:
        preStop:
          exec: {command: [sh, -ec, {{ include "paddock.leaderStopScript" $model | quote }}]}
      {{- else }}
      {{- include "paddock.lifecycle" (list $root $model.drain) | nindent 6 }}
      {{- end }}
      {{- else }}
      lifecycle:
        preStop:
          exec: {command: [sh, -ec, {{ include "paddock.rankStopScript" . | quote }}]}
      ports:
        - {name: ssh, containerPort: 2222}
      {{- end }}
      resources: {{- include "paddock.modelResources" $model | nindent 8 }}
      volumeMounts:
        {{- include "paddock.sharedMounts" (list $root $secret) | nindent 8 }}
        {{- with $model.volumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
        - {name: cache, mountPath: /var/cache/paddock, readOnly: {{ ne $model.filledBy "" }}}
        {{- if $model.sharedMemory }}
        - {name: shared-memory, mountPath: /dev/shm}
        {{- end }}
        {{- if $role }}
        - {name: ssh, mountPath: /run/ssh, readOnly: true}
        {{- end }}
        {{- if and $root.Values.huggingface.existingSecret (not $model.filledBy) }}
        - {name: huggingface, mountPath: /run/huggingface, readOnly: true}
        {{- end }}
  volumes:
    {{- include "paddock.sharedVolumes" (list $root $model.resourceName "model/model.yaml" $secret) | nindent 4 }}
    {{- with $model.volumes }}{{ toYaml . | nindent 4 }}{{ end }}
    {{- if or $model.claim (ne $model.workload "StatefulSet") }}
    - name: cache
      {{- if $model.claim }}
      persistentVolumeClaim: {claimName: {{ $model.claim }}}
      {{- else if $model.cache.ephemeralSize }}
      emptyDir: {sizeLimit: {{ $model.cache.ephemeralSize }}}
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- end }}
    {{- include "paddock.sharedMemory" $model | nindent 4 }}
    {{- if $role }}
    - name: ssh
      secret: {secretName: {{ $model.launch.existingSecret }}, defaultMode: 0440}
    {{- end }}
    {{- if and $root.Values.huggingface.existingSecret (ne $model.filledBy "job") }}
    {{- include "paddock.tokenVolume" $root | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "paddock.modelEnv" -}}
{{- $root := index . 0 -}}
{{- $model := index . 1 -}}
{{- include "paddock.env" (empty $model.filledBy | ternary "/var/cache/paddock" "/tmp") }}
{{- if and $root.Values.huggingface.existingSecret (not $model.filledBy) }}
- {name: HF_TOKEN_PATH, value: /run/huggingface/token}
{{- end }}
{{- with include "paddock.threads" $model }}
- {name: OMP_NUM_THREADS, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* (model, selector of the pods, whether they have GPUs). Of a model on GPUs, what fetches without them may be where they are
too, as the model's own nodeSelector may say so, and needs no runtime of theirs. */}}
{{- define "paddock.modelPlacement" -}}
{{- $model := index . 0 -}}
{{- $tolerations := list -}}
{{- $nodes := list -}}
{{- if gt (int $model.gpus) 0 -}}
{{- /* parts of GPUs are resources of other names, on nodes with the same taint */ -}}
{{- range list $model.gpu.resource (hasPrefix "nvidia.com/" $model.gpu.resource | ternary "nvidia.com/gpu" $model.gpu.resource) | uniq -}}
{{- $tolerations = append $tolerations (dict "key" . "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- end -}}
{{- if and (index . 2) $model.gpu.product -}}
{{- $nodes = list (dict "key" "nvidia.com/gpu.product" "operator" "In" "values" (list $model.gpu.product)) -}}
{{- end -}}
{{- $fetches := and (gt (int $model.gpus) 0) (not (index . 2)) -}}
{{- include "paddock.placement" (list ($fetches | ternary (omit $model "runtimeClassName") $model) (index . 1) $tolerations $nodes) -}}
{{- end -}}

{{- define "paddock.modelImage" -}}
image: {{ (index . 1).image }}
imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
securityContext: {{- include "paddock.containerSecurity" . | nindent 2 }}
{{- end -}}

{{/* GPUs are only ever limits: requests of extended resources follow them. */}}
{{- define "paddock.modelResources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt (int .gpus) 0 -}}
{{- $resources = mustMergeOverwrite $resources (dict "limits" (dict .gpu.resource (int .gpus))) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Threads of a model on CPUs: as many as it asks for. Without a limit, PyTorch would take all of the node's. */}}
{{- define "paddock.threads" -}}
{{- $cpu := dig "requests" "cpu" "" .resources | toString -}}
{{- if and $cpu (eq .device "cpu") (eq .backend "transformers") -}}
{{- hasSuffix "m" $cpu | ternary (divf (trimSuffix "m" $cpu) 1000) (float64 $cpu) | ceil -}}
{{- end -}}
{{- end -}}

{{- define "paddock.sharedMemory" -}}
{{- with .sharedMemory -}}
- name: shared-memory
  emptyDir: {medium: Memory, sizeLimit: {{ . }}}
{{- end -}}
{{- end -}}

{{- define "paddock.tokenVolume" -}}
- name: huggingface
  secret:
    secretName: {{ .Values.huggingface.existingSecret }}
    defaultMode: 0440
    items:
      - {key: {{ .Values.huggingface.key }}, path: token}
{{- end -}}

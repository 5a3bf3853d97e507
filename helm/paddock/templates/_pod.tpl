{{/* What the pods of all parts have in common. */}}

{{- define "paddock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* (root): of every pod. */}}
{{- define "paddock.podSecurity" -}}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* (where the hub's files go: the cache, for who fetches): where a process may write, and what it should know. Servers of a cache
that is filled have /tmp there: TensorRT-LLM keeps a lock in that folder, and ends where the file system is read-only. */}}
{{- define "paddock.env" -}}
- {name: HOME, value: /tmp}
- {name: XDG_CACHE_HOME, value: /tmp/.cache}
- {name: HF_HOME, value: {{ . }}/huggingface}
- {name: HF_HUB_DISABLE_TELEMETRY, value: "1"}
{{- end -}}

{{/* (the chart's variables, a part's own): its own instead of the chart's of that name, as a name may be there once only. */}}
{{- define "paddock.withOwnEnv" -}}
{{- $own := default list (index . 1) -}}
{{- $names := list -}}
{{- range $own }}{{- $names = append $names .name -}}{{- end -}}
{{- $env := list -}}
{{- range index . 0 | fromYamlArray }}{{- if not (has .name $names) }}{{- $env = append $env . -}}{{- end -}}{{- end -}}
{{- toYaml (concat $env $own) -}}
{{- end -}}

{{- define "paddock.ports" -}}
- {name: grpc, containerPort: 50051}
- {name: health, containerPort: 50052}
- {name: metrics, containerPort: 9464}
{{- end -}}

{{/* (seconds until it serves): asked on the port that has health alone, in the clear, as kubelets can't do otherwise. */}}
{{- define "paddock.probes" -}}
startupProbe:
  grpc: {port: 50052}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ divf (index . 0) 10 | ceil | int }}
readinessProbe:
  grpc: {port: 50052}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  grpc: {port: 50052, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}

{{/* (root, drain): before SIGTERM, time for others to learn that the pod is leaving. */}}
{{- define "paddock.lifecycle" -}}
{{- $seconds := (index . 1).preStopSeconds | int -}}
{{- if gt $seconds 0 -}}
lifecycle:
  preStop:
    {{- if semverCompare ">=1.30.0-0" (index . 0).Capabilities.KubeVersion.Version }}
    sleep: {seconds: {{ $seconds }}}
    {{- else }}
    exec: {command: [sleep, {{ $seconds | quote }}]}
    {{- end }}
{{- end -}}
{{- end -}}

{{/* (config, drain): all that a stop may take: the sleep, the calls, the backends, the last of telemetry, and a margin. */}}
{{- define "paddock.grace" -}}
{{- $config := index . 0 -}}
{{- $drain := index . 1 -}}
{{- $rest := add (dig "server" "close_s" 10 $config | ceil) (dig "telemetry" "flush_s" 5 $config | ceil) 15 -}}
{{- add $drain.preStopSeconds $drain.timeoutSeconds $rest -}}
{{- end -}}

{{/* (root, secret of the part's certificate, whether it is a gateway) */}}
{{- define "paddock.sharedMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: config, mountPath: /etc/paddock, readOnly: true}
{{- if index . 1 }}
- {name: tls, mountPath: /run/tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* (root, config map, file in it, secret of the certificate) */}}
{{- define "paddock.sharedVolumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 8Gi}
- name: config
  configMap:
    name: {{ index . 1 }}
    items:
      - {key: {{ base (index . 2) }}, path: {{ index . 2 }}}
{{- if index . 3 }}
- name: tls
  secret: {secretName: {{ index . 3 }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/* (root, model's key, or "" for the gateway): the secret of its certificate; "" without TLS. */}}
{{- define "paddock.certificate" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $tls := $root.Values.tls -}}
{{- if $tls.enabled -}}
{{- if $tls.certManager.enabled -}}
{{- include "paddock.name" (list $root (empty $key | ternary "tls-gateway" "tls-model") $key) -}}
{{- else if $key -}}
{{- get $tls.modelSecrets $key | required (printf "tls.modelSecrets.%s: is missing; name a secret with tls.crt, tls.key and ca.crt, or use certManager" $key) -}}
{{- else -}}
{{- $tls.gatewaySecret | required "tls.gatewaySecret: is missing; name a secret with tls.crt, tls.key and ca.crt, or use certManager" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* (values of a part, its selector, extra tolerations, extra node affinity terms). Pods are spread, as far as that goes,
over nodes and zones, where nothing else is said. */}}
{{- define "paddock.placement" -}}
{{- $part := index . 0 -}}
{{- $spread := $part.topologySpreadConstraints -}}
{{- if not $spread -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" -}}
{{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" (dict "matchLabels" (index $ 1 | fromYaml))) -}}
{{- end -}}
{{- end -}}
{{- with $part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (index . 2) $part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- $affinity := $part.affinity -}}
{{- if index . 3 -}}
{{- $required := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" (list (dict "matchExpressions" (index . 3)))) -}}
{{- $affinity = merge (deepCopy $affinity) (dict "nodeAffinity" $required) -}}
{{- end -}}
{{- with $affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints: {{- toYaml $spread | nindent 2 }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $part.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "paddock.appProtocol" -}}
{{- .Values.tls.enabled | ternary "https" "kubernetes.io/h2c" -}}
{{- end -}}

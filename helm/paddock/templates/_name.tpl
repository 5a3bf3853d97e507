{{/* Names. All end in what tells them apart; what is too long is cut, and ends in a hash of the whole. */}}

{{- define "paddock.cut" -}}
{{- $name := index . 0 -}}
{{- $most := index . 1 -}}
{{- if le (len $name) (int $most) -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" (trunc (int (sub $most 9)) $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- end -}}

{{- define "paddock.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $name := default (contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart)) .Values.fullnameOverride -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "fullnameOverride: names of Services begin with a letter and have no dots, and %q would begin theirs; set it to another" $name) -}}
{{- end -}}
{{- include "paddock.cut" (list $name 40) -}}
{{- end -}}

{{/* (root, kind of part, key of the model or ""): 50 characters, as StatefulSets and LeaderWorkerSets put 11 and more behind. */}}
{{- define "paddock.name" -}}
{{- $root := index . 0 -}}
{{- include "paddock.cut" (list (compact (list (include "paddock.fullname" $root) (index . 1) (index . 2)) | join "-") 50) -}}
{{- end -}}

{{- define "paddock.instance" -}}
app.kubernetes.io/name: {{ include "paddock.cut" (list (default .Chart.Name .Values.nameOverride) 63) | quote }}
app.kubernetes.io/instance: {{ include "paddock.cut" (list .Release.Name 63) | quote }}
{{- end -}}

{{/* (root, component, key of the model or ""). No version is in it: a selector can't be changed. */}}
{{- define "paddock.selector" -}}
{{ include "paddock.instance" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- with index . 2 }}
paddock/model: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* (root, key of the model): selects what serves and its ranks, and not what fetches. */}}
{{- define "paddock.modelPods" -}}
matchLabels:
  {{- include "paddock.instance" (index . 0) | nindent 2 }}
  paddock/model: {{ index . 1 | quote }}
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: [model, rank]}
{{- end -}}

{{/* Of pods: nothing that a new version of the chart alone would change, as that would start them anew. */}}
{{- define "paddock.podLabels" -}}
{{ include "paddock.selector" . }}
app.kubernetes.io/part-of: paddock
{{- end -}}

{{- define "paddock.labels" -}}
{{- $root := index . 0 -}}
{{ include "paddock.podLabels" . }}
app.kubernetes.io/version: {{ include "paddock.cut" (list ($root.Chart.AppVersion | replace "+" "_") 63) | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ include "paddock.cut" (list (printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_")) 63) }}
{{- end -}}

{{/* (root, image: gateway, transformers or tensorrtLlm, device) */}}
{{- define "paddock.image" -}}
{{- $root := index . 0 -}}
{{- $of := index $root.Values.image (index . 1) -}}
{{- $name := compact (list $root.Values.image.registry $of.repository) | join "/" -}}
{{- $tag := default $root.Chart.AppVersion $root.Values.image.tag -}}
{{- $digest := $of.digest -}}
{{- if eq (index . 1) "transformers" -}}
{{- $kind := eq (index . 2) "gpu" | ternary "cuda" "cpu" -}}
{{- $tag = printf "%s-%s" $tag $kind -}}
{{- $digest = index $of (printf "%sDigest" $kind) -}}
{{- end -}}
{{- if $digest }}{{ printf "%s@%s" $name $digest }}{{ else }}{{ printf "%s:%s" $name $tag }}{{ end -}}
{{- end -}}

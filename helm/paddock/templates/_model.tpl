{{/* A model with its defaults, checked, and with what follows from it: gpus (of a pod), workload, image, name. */}}

{{- define "paddock.models" -}}
{{- $root := . -}}
{{- $models := dict -}}
{{- range $key, $own := .Values.models -}}
{{- if $own -}}
{{- $model := mustMergeOverwrite (deepCopy $root.Values.modelDefaults) (deepCopy $own) -}}
{{- if $model.enabled -}}
{{- $_ := set $models $key (include "paddock.model" (list $root $key $model) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (or $models (and .Values.gateway.enabled .Values.gateway.routes)) -}}
{{- fail "models: is empty; add one, or where the gateway is for other releases' alone, gateway.routes" -}}
{{- end -}}
{{- $names := dict -}}
{{- range $key, $model := $models -}}
{{- range prepend $model.aliases $model.name -}}
{{- if hasKey $names . -}}
{{- fail (printf "models.%s.name: %q is also that of models.%s; rename one" $key . (get $names .)) -}}
{{- end -}}
{{- $_ := set $names . $key -}}
{{- end -}}
{{- range $number, $guard := $model.guards -}}
{{- if not (hasKey $models $guard.model) -}}
{{- fail (printf "models.%s.guards[%d].model: %q is no key of models; add it there" $key $number $guard.model) -}}
{{- end -}}
{{- if eq (get $models $guard.model).guard "none" -}}
{{- fail (printf "models.%s.guards[%d].model: models.%s is no guard; set its guard" $key $number $guard.model) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $models -}}
{{- end -}}

{{- define "paddock.model" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $model := index . 2 -}}
{{- $at := printf "models.%s" $key -}}
{{- $parallel := $model.parallelism -}}
{{- $ranks := mul $parallel.tensor $parallel.pipeline | int -}}
{{- $nodes := int $parallel.nodes -}}
{{- if not $model.checkpoint -}}
{{- fail (printf "%s.checkpoint: is missing; set it to a hub name such as org/name, or a folder of the cache" $at) -}}
{{- end -}}
{{- if ne (mod $ranks $nodes) 0 -}}
{{- fail (printf "%s.parallelism: %d x %d GPUs can't be shared by %d nodes; change one of them" $at (int $parallel.tensor) (int $parallel.pipeline) $nodes) -}}
{{- end -}}
{{- if and (gt $ranks 1) (ne $model.backend "tensorrt_llm") -}}
{{- fail (printf "%s.parallelism: the transformers backend computes on one GPU; set backend to tensorrt_llm" $at) -}}
{{- end -}}
{{- if and (eq $model.device "gpu") (eq $model.backend "simulator") -}}
{{- fail (printf "%s.device: the simulator computes nothing; set it to cpu" $at) -}}
{{- end -}}
{{- if and (eq $model.device "cpu") (eq $model.backend "tensorrt_llm") -}}
{{- fail (printf "%s.device: tensorrt_llm computes on GPUs; set backend to transformers" $at) -}}
{{- end -}}
{{- if and (eq $model.backend "transformers") (has $model.engine.precision (list "fp8" "int8" "int4")) -}}
{{- fail (printf "%s.engine.precision: the transformers backend computes in bf16 or f32; set one of them" $at) -}}
{{- end -}}
{{- $gpus := eq $model.device "gpu" | ternary (div $ranks $nodes) 0 | int -}}
{{- $limits := dig "limits" dict $model.resources -}}
{{- if and (hasKey $limits $model.gpu.resource) (ne (get $limits $model.gpu.resource | toString) ($gpus | toString)) -}}
{{- fail (printf "%s.resources.limits: %v of %s, and parallelism makes it %d; leave it out" $at (get $limits $model.gpu.resource) $model.gpu.resource $gpus) -}}
{{- end -}}
{{- $workload := $model.workload -}}
{{- if eq $workload "auto" -}}
{{- $workload = gt $nodes 1 | ternary "LeaderWorkerSet" "Deployment" -}}
{{- end -}}
{{- if ne (eq $workload "LeaderWorkerSet") (gt $nodes 1) -}}
{{- fail (printf "%s.workload: a LeaderWorkerSet is for several nodes, and nothing else is; set it to auto" $at) -}}
{{- end -}}
{{- if and (gt $nodes 1) (not $model.launch.existingSecret) -}}
{{- fail (printf "%s.launch.existingSecret: is missing, and MPI needs it over %d nodes; docs/deploying.md makes one" $at $nodes) -}}
{{- end -}}
{{- if and (gt $nodes 1) (not (or $model.cache.existingClaim $model.cache.size)) -}}
{{- fail (printf "%s.cache: is missing, and the ranks of %d nodes read the same files; set cache.existingClaim or cache.size" $at $nodes) -}}
{{- end -}}
{{- if and $model.gpu.product (dig "nodeAffinity" "" $model.affinity) -}}
{{- fail (printf "%s.gpu.product: is an affinity to nodes, and affinity.nodeAffinity another; put both there" $at) -}}
{{- end -}}
{{- include "paddock.checkCache" (list $at $model $workload) -}}
{{- include "paddock.checkBuild" (list $at $model) -}}
{{- $scaling := $model.autoscaling -}}
{{- if and (ne $scaling.kind "none") (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- fail (printf "%s.autoscaling.minReplicas: %d is more than maxReplicas, %d; change one of them" $at (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- if and (eq $model.autoscaling.kind "keda") (not $model.autoscaling.prometheusAddress) -}}
{{- fail (printf "%s.autoscaling.prometheusAddress: is missing; set it to Prometheus' URL" $at) -}}
{{- end -}}
{{- if and (eq $model.autoscaling.kind "hpa") (not (regexMatch "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$" (default $key $model.name))) -}}
{{- fail (printf "%s.autoscaling.kind: hpa finds metrics by labels, and %q can't be one; set it to keda, or name another way" $at $model.name) -}}
{{- end -}}
{{- $image := get (dict "tensorrt_llm" "tensorrtLlm" "transformers" "transformers" "simulator" "gateway") $model.backend -}}
{{- $more := dict "key" $key "name" (default $key $model.name) "gpus" $gpus "ranks" $ranks "nodes" $nodes "workload" $workload -}}
{{- $_ := set $more "resourceName" (include "paddock.name" (list $root "model" $key)) -}}
{{- /* LeaderWorkerSet makes a Service of its own name, by which the pods of a group find each other */ -}}
{{- $_ = set $more "workloadName" (eq $workload "LeaderWorkerSet" | ternary (include "paddock.name" (list $root "group" $key)) $more.resourceName) -}}
{{- $_ = set $more "image" (include "paddock.image" (list $root $image $model.device)) -}}
{{- $_ = set $more "claim" (include "paddock.claim" (list $root $key $model $workload)) -}}
{{- $_ = set $more "filledBy" (include "paddock.filledBy" (list $model $workload)) -}}
{{- $_ = set $more "claimsAlone" (and (ne $more.claim "") (include "paddock.isForOnePod" $model | eq "true")) -}}
{{- if and (not $model.sharedMemory) (gt $gpus 1) -}}
{{- $_ = set $more "sharedMemory" "16Gi" -}}
{{- end -}}
{{- if $more.filledBy -}}
{{- $_ = set $more "marker" (include "paddock.marker" (list $root $key $model)) -}}
{{- end -}}
{{- toJson (merge $more $model) -}}
{{- end -}}

{{- define "paddock.checkCache" -}}
{{- $at := index . 0 -}}
{{- $model := index . 1 -}}
{{- $cache := $model.cache -}}
{{- $one := include "paddock.isForOnePod" $model | eq "true" -}}
{{- $most := eq $model.autoscaling.kind "none" | ternary $model.replicas $model.autoscaling.maxReplicas | int -}}
{{- if and $one (or $cache.existingClaim $cache.size) (ne (index . 2) "StatefulSet") (or (gt $most 1) (gt (int $model.parallelism.nodes) 1)) -}}
{{- fail (printf "%s.cache.accessMode: %s holds one pod, and there may be more; use ReadWriteMany, or workload: StatefulSet with a size" $at $cache.accessMode) -}}
{{- end -}}
{{- if and (eq (index . 2) "StatefulSet") (or $cache.existingClaim (not $cache.size)) -}}
{{- fail (printf "%s.workload: a StatefulSet makes a cache for each replica; set cache.size, and no existingClaim" $at) -}}
{{- end -}}
{{- end -}}

{{- define "paddock.checkBuild" -}}
{{- $at := index . 0 -}}
{{- $model := index . 1 -}}
{{- if $model.engine.build.enabled -}}
{{- if ne $model.backend "tensorrt_llm" -}}
{{- fail (printf "%s.engine.build: only tensorrt_llm serves engines; set backend to it, or build.enabled to false" $at) -}}
{{- end -}}
{{- if gt (int $model.parallelism.nodes) 1 -}}
{{- fail (printf "%s.engine.build: engines are compiled on one node; set build.enabled to false" $at) -}}
{{- end -}}
{{- if not (or $model.cache.existingClaim $model.cache.size) -}}
{{- fail (printf "%s.engine.build: there is no cache to keep an engine in; set cache.existingClaim or cache.size" $at) -}}
{{- end -}}
{{- if has $model.engine.precision (list "int8" "int4") -}}
{{- fail (printf "%s.engine.precision: engines are built as published or in fp8; set it to fp8, or build.enabled to false" $at) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The claim that pods mount; "" for none of their own naming. */}}
{{- define "paddock.claim" -}}
{{- $root := index . 0 -}}
{{- $model := index . 2 -}}
{{- if $model.cache.existingClaim -}}
{{- $model.cache.existingClaim -}}
{{- else if and $model.cache.size (ne (index . 3) "StatefulSet") -}}
{{- include "paddock.name" (list $root "cache" (index . 1)) -}}
{{- end -}}
{{- end -}}

{{/* Whether a cache can't be mounted on two nodes. */}}
{{- define "paddock.isForOnePod" -}}
{{- has .cache.accessMode (list "ReadWriteOnce" "ReadWriteOncePod") -}}
{{- end -}}

{{/* Who writes the cache: a Job where pods share it; the pod itself, before it serves, where it has it alone, or is to compile;
or "". */}}
{{- define "paddock.filledBy" -}}
{{- $model := index . 0 -}}
{{- if and (or $model.cache.existingClaim $model.cache.size) (not (hasPrefix "embedded:" $model.checkpoint)) -}}
{{- if or (eq (index . 1) "StatefulSet") (include "paddock.isForOnePod" $model | eq "true") (and $model.engine.build.enabled (eq $model.engine.build.where "pod")) -}}
pod
{{- else -}}
job
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Stands for all that what is in the cache depends on. */}}
{{- define "paddock.marker" -}}
{{- $root := index . 0 -}}
{{- $model := index . 2 -}}
{{- $inputs := dict "checkpoint" $model.checkpoint "revision" $model.revision -}}
{{- if $model.engine.build.enabled -}}
{{- $_ := set $inputs "tensorrtLlm" $root.Values.image.tensorrtLlm.version -}}
{{- $_ = set $inputs "gpu" $model.gpu -}}
{{- $_ = set $inputs "parallelism" $model.parallelism -}}
{{- $_ = set $inputs "engine" (pick $model.engine "precision" "maxBatchSize" "maxTokens" "maxSequenceLength") -}}
{{- end -}}
{{- printf "%s-%s" (include "paddock.cut" (list (index . 1) 40)) (toJson $inputs | sha256sum | trunc 12) -}}
{{- end -}}

{{/* The configuration of processes: one file each in Hydra's config directory, over the whole tree of keys. */}}

{{/* (root, the part's own config, drain): server and telemetry of any process. What the pod relies on comes last. */}}
{{- define "paddock.processConfig" -}}
{{- $root := index . 0 -}}
{{- $listen := $root.Values.listen -}}
{{- $config := mustMergeOverwrite (deepCopy $root.Values.config) (deepCopy (index . 1)) -}}
{{- $server := dict "address" (printf "%s:50051" $listen) "health_address" (printf "%s:50052" $listen) -}}
{{- $_ := set $server "drain_s" (index . 2).timeoutSeconds -}}
{{- if $root.Values.tls.enabled -}}
{{- $_ = set $server "tls" (dict "cert_file" "/run/tls/tls.crt" "key_file" "/run/tls/tls.key") -}}
{{- else -}}
{{- $_ = set $server "insecure" true -}}
{{- end -}}
{{- $telemetry := dict "metrics_address" (printf "%s:9464" $listen) "insecure" true -}}
{{- toJson (mustMergeOverwrite $config (dict "server" $server "telemetry" $telemetry)) -}}
{{- end -}}

{{/* (root, model): a pool of that model's pods. */}}
{{- define "paddock.pool" -}}
{{- $root := index . 0 -}}
{{- $host := printf "%s.%s.svc" (index . 1).resourceName $root.Release.Namespace -}}
{{- $pool := dict "name" "main" -}}
{{- if index . 2 -}}
{{- $_ := set $pool "endpoint_slices" (dict "service" (index . 1).resourceName "namespace" $root.Release.Namespace "port" "grpc") -}}
{{- else -}}
{{- $_ := set $pool "dns" (printf "%s:50051" $host) -}}
{{- end -}}
{{- if $root.Values.tls.enabled -}}
{{- $_ := set $pool "tls" (dict "ca_file" "/run/tls/ca.crt" "cert_file" "/run/tls/tls.crt" "key_file" "/run/tls/tls.key" "server_name" $host) -}}
{{- end -}}
{{- toJson $pool -}}
{{- end -}}

{{- define "paddock.gatewayConfig" -}}
{{- $root := index . 0 -}}
{{- $gateway := $root.Values.gateway -}}
{{- $config := include "paddock.processConfig" (list $root $gateway.config $gateway.drain) | fromJson -}}
{{- if $gateway.apiKeys.existingSecret -}}
{{- if not (or $root.Values.tls.enabled $root.Values.tls.mesh) -}}
{{- fail "gateway.apiKeys: keys would travel unencrypted; set tls.enabled, or tls.mesh where a service mesh encrypts" -}}
{{- end -}}
{{- $_ := set $config.server "api_keys" "/run/api-keys/keys.jsonl" -}}
{{- end -}}
{{- if and $root.Values.tls.enabled $root.Values.tls.requireClientCertificate -}}
{{- $_ := set $config.server.tls "client_ca_file" (empty $root.Values.tls.clientCA.existingSecret | ternary "/run/tls/ca.crt" "/run/client-ca/ca.crt") -}}
{{- else if and $root.Values.tls.enabled (not $gateway.apiKeys.existingSecret) -}}
{{- fail "tls.requireClientCertificate: nobody who calls would be identified; set it to true, or set gateway.apiKeys" -}}
{{- end -}}
{{- $routes := deepCopy $gateway.routes -}}
{{- range $key, $model := index . 1 -}}
{{- $pool := include "paddock.pool" (list $root $model (eq $gateway.discovery "endpointSlices")) | fromJson -}}
{{- $_ := set $routes $key (dict "name" $model.name "aliases" $model.aliases "guard" $model.guard "pools" (list $pool)) -}}
{{- end -}}
{{- $_ := set $config "routing" (mustMergeOverwrite (dict "models" $routes) (default dict $config.routing)) -}}
# @package _global_
{{ toYaml $config }}
{{- end -}}

{{- define "paddock.modelConfig" -}}
{{- $root := index . 0 -}}
{{- $models := index . 1 -}}
{{- $model := index . 2 -}}
{{- $config := include "paddock.processConfig" (list $root $model.config $model.drain) | fromJson -}}
{{- if $root.Values.tls.enabled -}}
{{- $_ := set $config.server.tls "client_ca_file" "/run/tls/ca.crt" -}}
{{- end -}}
{{- $guards := list -}}
{{- $routes := dict -}}
{{- range $model.guards -}}
{{- $guard := get $models .model -}}
{{- $guards = append $guards (mustMergeOverwrite (deepCopy .) (dict "model" $guard.name)) -}}
{{- $pool := include "paddock.pool" (list $root $guard false) | fromJson -}}
{{- $_ := set $routes .model (dict "name" $guard.name "guard" $guard.guard "pools" (list $pool)) -}}
{{- end -}}
{{- if $routes -}}
{{- $_ := set $config "routing" (mustMergeOverwrite (dict "models" $routes) (default dict $config.routing)) -}}
{{- end -}}
{{- $served := dict "name" $model.name "checkpoint" $model.checkpoint "backend" (include "paddock.backend" $model | fromJson) -}}
{{- if and (eq $model.filledBy "") $model.revision -}}
{{- $_ := set $served "revision" $model.revision -}}
{{- end -}}
{{- if $model.filledBy -}}
{{- $_ := set $served "checkpoint" (printf "/var/cache/paddock/ready/%s/checkpoint" $model.marker) -}}
{{- end -}}
{{- with $model.aliases }}{{- $_ := set $served "aliases" . -}}{{- end -}}
{{- with $guards }}{{- $_ := set $served "guards" . -}}{{- end -}}
{{- if ne $model.guard "none" -}}
{{- $_ := set $served "guard" $model.guard -}}
{{- $_ = set $served "chat_layout" "none" -}}
{{- end -}}
{{- $_ := set $config "models" (dict $model.key (mustMergeOverwrite $served (deepCopy $model.settings))) -}}
# @package _global_
defaults:
  - /backend@models.{{ $model.key }}.backend: {{ $model.backend }}
  - _self_
{{ toYaml $config }}
{{- end -}}

{{/* A backend's keys, of those that the chart has names for. */}}
{{- define "paddock.backend" -}}
{{- $engine := .engine -}}
{{- $backend := dict -}}
{{- range $from, $to := dict "maxBatchSize" "max_concurrency" "maxTokens" "max_batch_tokens" "maxSequenceLength" "context_length" -}}
{{- with get $engine $from }}{{- $_ := set $backend $to (int .) -}}{{- end -}}
{{- end -}}
{{- if eq .backend "tensorrt_llm" -}}
{{- $parallel := dict "tensor" (int .parallelism.tensor) "pipeline" (int .parallelism.pipeline) -}}
{{- if gt (int .nodes) 1 -}}
{{- $_ := set $parallel "gpus_per_node" (int .gpus) -}}
{{- end -}}
{{- $_ := set $backend "parallel" $parallel -}}
{{- $_ = set $backend "kv_cache" (dict "dtype" (eq $engine.cachePrecision "fp8" | ternary "fp8" "auto") "memory_fraction" $engine.cacheMemoryFraction) -}}
{{- if $engine.build.enabled -}}
{{- $_ = set $backend "engine" (printf "/var/cache/paddock/ready/%s/engine" .marker) -}}
{{- $_ = set $backend.kv_cache "dtype" "auto" -}}
{{- end -}}
{{- else if eq .backend "transformers" -}}
{{- $_ := set $backend "device" (eq .device "gpu" | ternary "cuda" "cpu") -}}
{{- with get (dict "f32" "float32" "bf16" "bfloat16") $engine.precision }}{{- $_ := set $backend "dtype" . -}}{{- end -}}
{{- end -}}
{{- toJson $backend -}}
{{- end -}}

{{/* What is more than one command. Each is plain sh, and takes what differs as arguments. As the first process of its
container, sh takes no notice of SIGTERM unless it has a trap: pods that wait would keep their GPUs for the whole grace period. */}}

{{/* MARKER SECONDS: until the Job's folder is there, which appears when it is whole. */}}
{{- define "paddock.waitScript" -}}
trap 'exit 143' TERM
waited=0
until [ -d "$1" ]; do
  if [ "$waited" -ge "$2" ]; then
    echo "paddock: $1 is still not there after $2 s; see the Job that fills the cache" >&2
    exit 1
  fi
  sleep 5
  waited=$((waited + 5))
done
{{- end -}}

{{/* CACHE MARKER CHECKPOINT REVISION [OPTIONS OF AN ENGINE...]: fetch, compile if there are options, and show both under
one name in one step. What was finished before is found again by paddock build. */}}
{{- define "paddock.fillScript" -}}
cache=$1 marker=$2 checkpoint=$3 revision=$4
shift 4
[ ! -d "$cache/ready/$marker" ] || exit 0
trap 'exit 143' TERM
build() {
  paddock build "$@" --output "$cache/engines" > /tmp/built &
  wait $!
}
build "$checkpoint" ${revision:+--revision "$revision"}
fetched=$(tail -n 1 /tmp/built)
partial="$cache/ready/.$marker.$(hostname)"
rm -rf "$partial"
mkdir -p "$partial"
ln -s "$fetched" "$partial/checkpoint"
if [ $# -gt 0 ]; then
  build "$fetched" "$@"
  ln -s "$(tail -n 1 /tmp/built)" "$partial/engine"
fi
mv -T "$partial" "$cache/ready/$marker" || { rm -rf "$partial"; [ -d "$cache/ready/$marker" ]; } # another was faster
{{- end -}}

{{/* A container that fills the cache, without its name. */}}
{{- define "paddock.fill" -}}
{{- $root := index . 0 -}}
{{- $model := index . 1 -}}
{{- $engine := $model.engine -}}
{{- $args := list "fill" "/var/cache/paddock" $model.marker $model.checkpoint $model.revision -}}
{{- if $engine.build.enabled -}}
{{- $args = concat $args (list "--engine" "--tensor" ($model.parallelism.tensor | toString) "--pipeline" ($model.parallelism.pipeline | toString)) -}}
{{- range $option, $limit := dict "--max-batch-size" $engine.maxBatchSize "--max-num-tokens" $engine.maxTokens "--max-seq-len" $engine.maxSequenceLength -}}
{{- if $limit -}}{{- $args = concat $args (list $option ($limit | int | toString)) -}}{{- end -}}
{{- end -}}
{{- if eq $engine.precision "fp8" -}}{{- $args = append $args "--fp8" -}}{{- end -}}
{{- end -}}
{{- include "paddock.modelImage" (list $root $model) }}
command: [sh, -ec, {{ include "paddock.fillScript" . | quote }}]
args: {{ toJson $args }}
{{- $env := include "paddock.env" "/var/cache/paddock" -}}
{{- if $root.Values.huggingface.existingSecret -}}
{{- $env = printf "%s\n- {name: HF_TOKEN_PATH, value: /run/huggingface/token}" $env -}}
{{- end }}
env: {{- include "paddock.withOwnEnv" (list $env $model.env) | nindent 2 }}
{{- if $engine.build.enabled }}
resources: {{- include "paddock.modelResources" $model | nindent 2 }}
{{- else }}
resources: {requests: {cpu: "1", memory: 2Gi}, limits: {memory: 8Gi}}
{{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: cache, mountPath: /var/cache/paddock}
  {{- with $model.volumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
  {{- if and $engine.build.enabled $model.sharedMemory }}
  - {name: shared-memory, mountPath: /dev/shm}
  {{- end }}
  {{- if $root.Values.huggingface.existingSecret }}
  - {name: huggingface, mountPath: /run/huggingface, readOnly: true}
  {{- end }}
{{- end -}}

{{/* The first pod of a group starts all ranks by MPI, over SSH between the group's pods. Of them, rank 0 is the server, which is
started by a file: TensorRT-LLM's launcher splits what it is to run at every space. Ranks know no variables but those named. */}}
{{- define "paddock.leaderScript" -}}
trap 'exit 143' TERM
name=${LWS_LEADER_ADDRESS%%.*} domain=${LWS_LEADER_ADDRESS#*.}
ssh="-p 2222 -i /run/ssh/id_ed25519 -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
echo "localhost slots={{ .gpus }}" > /tmp/hosts
index=1
while [ "$index" -lt "$LWS_GROUP_SIZE" ]; do
  host=$name-$index.$domain
  until ssh $ssh "$host" true; do sleep 5; done
  echo "$host slots={{ .gpus }}" >> /tmp/hosts
  index=$((index + 1))
done
echo 'echo $$ > /tmp/server.pid; exec paddock "$@"' > /tmp/server
exec mpirun --prefix "$(dirname "$(dirname "$(command -v mpirun)")")" --hostfile /tmp/hosts -np {{ .ranks }} \
  --mca plm_rsh_args "$ssh" --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 \
  -x PATH -x LD_LIBRARY_PATH -x HOME -x XDG_CACHE_HOME -x HF_HOME{{ range .env }}{{ if not (has .name (list "PATH" "LD_LIBRARY_PATH" "HOME" "XDG_CACHE_HOME" "HF_HOME")) }} -x {{ .name }}{{ end }}{{ end }} \
  trtllm-llmapi-launch sh -e /tmp/server "$@"
{{- end -}}

{{/* mpirun would pass SIGTERM on to every rank at once: the server alone must have it, and time to drain. */}}
{{- define "paddock.leaderStopScript" -}}
[ -f /tmp/server.pid ] || exit 0 # not started yet
sleep {{ .drain.preStopSeconds }}
server=$(cat /tmp/server.pid)
kill -TERM "$server"
while kill -0 "$server" 2> /dev/null; do sleep 1; done
{{- end -}}

{{/* Whatever takes one pod of a group takes all: ranks go on until the leader has drained and MPI ends them. */}}
{{- define "paddock.rankStopScript" -}}
while grep -qsxE 'orted|prted' /proc/[0-9]*/comm; do sleep 1; done
{{- end -}}

{{- define "paddock.rankScript" -}}
exec "$(command -v sshd)" -D -e -f /dev/null -p 2222 -h /run/ssh/id_ed25519 -o AuthorizedKeysFile=/run/ssh/id_ed25519.pub \
  -o StrictModes=no -o UsePAM=no -o PasswordAuthentication=no -o PidFile=none
{{- end -}}

#include "cli/help/completion_scripts.h"

namespace culvert::cli {
namespace {

// Bash takes words apart at : and =; here they are what stands between spaces, and what stood in front of the last such character is
// taken off the answers again.
constexpr std::string_view kBash = R"sh(# Completion of culvertctl for bash: source <(culvertctl completion bash)
_culvertctl() {
  local rest=${COMP_LINE:0:COMP_POINT} words=() lines=() i line program directive
  for ((i = 0; i <= COMP_CWORD; i++)); do
    if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
      words+=("")
      rest=${rest#"${rest%%[![:space:]]*}"}
    fi
    ((i < COMP_CWORD)) && line=${COMP_WORDS[i]} || line=$rest
    words[-1]+=$line
    rest=${rest#"$line"}
  done
  program=$(type -P -- "${words[0]}") || program=culvertctl
  mapfile -t lines < <("$program" __complete -- "${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  ((${#lines[@]})) || return 0
  directive=${lines[-1]}
  unset 'lines[-1]'
  local last=${words[-1]}
  for line in "${lines[@]}"; do
    line=${line%%$'\t'*}
    COMPREPLY+=("${line#"${last%"${last##*[:=]}"}"}")
  done
  case $directive in
    :files) compopt -o default 2>/dev/null ;;
    :nospace) compopt -o nospace 2>/dev/null ;;
  esac
  return 0
}
complete -F _culvertctl culvertctl
)sh";

constexpr std::string_view kZsh = R"sh(#compdef culvertctl
# Completion of culvertctl for zsh: as _culvertctl in a folder of $fpath, or source <(culvertctl completion zsh)
_culvertctl() {
  local -a lines closed open
  local line word directive
  lines=("${(@f)$("${words[1]}" __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  directive=$lines[-1]
  lines[-1]=()
  [[ $directive == :files ]] && { _files; return }
  for line in $lines; do
    word=${line%%$'\t'*}
    [[ $line == *$'\t'* ]] && line="${word//:/\\:}:${line#*$'\t'}" || line=${word//:/\\:}
    [[ $word == *[=.:/] ]] && open+=("$line") || closed+=("$line")
  done
  (( $#closed )) && _describe culvertctl closed
  (( $#open )) && _describe culvertctl open -S ''
  return 0
}
if [[ $funcstack[1] == _culvertctl ]]; then _culvertctl "$@"; else compdef _culvertctl culvertctl; fi
)sh";

constexpr std::string_view kFish = R"sh(# Completion of culvertctl for fish: culvertctl completion fish | source
function __culvertctl_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l lines ($words[1] __complete -- $words[2..] "$last" 2>/dev/null)
    test (count $lines) -gt 0; or return
    set -l directive $lines[-1]
    set -e lines[-1]
    if test "$directive" = :files
        __fish_complete_path $last
        return
    end
    test (count $lines) -gt 0; and printf '%s\n' $lines
end
complete -c culvertctl -f -a '(__culvertctl_complete)'
)sh";

}  // namespace

std::string_view CompletionScript(std::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  return shell == "fish" ? kFish : std::string_view();
}

}  // namespace culvert::cli

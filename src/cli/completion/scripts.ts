/**
 * The completion script for a shell; undefined for one that is not known. Each script only asks `s3lo __complete` and shows
 * what it answers, so it knows the commands of whatever version of s3lo is installed.
 */
export function completionScript(shell: string): string | undefined {
  return Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
}

/**
 * An answer is one candidate a line, a tab and what it is. One that ends with `/`, `:`, `,` or `=` is to be completed
 * further, so no space follows it. Two lines are none: `:files` (the shell's files are meant too) and `:refresh` (the same
 * call with `--fill` is made, and not waited for).
 */
const SCRIPTS: Readonly<Record<string, string>> = {
  // Bash takes ":" and "=" for ends of words, so the words are cut from the line itself and the part up to the last of
  // them is taken off the answers.
  bash: `# bash completion for s3lo
_s3lo() {
  local line="\${COMP_LINE:0:COMP_POINT}" words=() cur answer candidate files="" i
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]}-1]}"
  local prefix=""
  if [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]]; then prefix="\${cur%"\${cur##*:}"}"; fi
  if [[ $COMP_WORDBREAKS == *=* && $cur == *=* && \${#prefix} -lt $((\${#cur} - \${#cur##*=})) ]]; then
    prefix="\${cur%"\${cur##*=}"}"
  fi
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    case $candidate in
      :files) files=1 ;;
      :refresh) ("\${words[0]}" __complete --fill -- "\${words[@]:1}" </dev/null >/dev/null 2>&1 &) ;;
      "$cur"*) COMPREPLY+=("\${candidate#"$prefix"}") ;;
    esac
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
  if [[ -n $files ]]; then
    [[ \${#COMPREPLY[@]} -eq 0 ]] && compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "\${cur#"$prefix"}")
  elif [ \${#COMPREPLY[@]} -eq 1 ] && [[ \${COMPREPLY[0]} == *[/:,=] ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -F _s3lo s3lo
`,
  zsh: `#compdef s3lo
_s3lo() {
  local -a plain open
  local line candidate files
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    candidate="\${line%%$'\\t'*}"
    case $candidate in
      '') ;;
      :files) files=1 ;;
      :refresh) "\${words[1]}" __complete --fill -- "\${(@)words[2,CURRENT]}" </dev/null >/dev/null 2>&1 &! ;;
      *[/:,=]) open+=("$candidate") ;;
      *) plain+=("$candidate") ;;
    esac
  done
  (( \${#plain} )) && compadd -Q -- "\${plain[@]}"
  (( \${#open} )) && compadd -Q -S '' -- "\${open[@]}"
  [[ -n $files ]] && _files
  (( \${#plain} + \${#open} )) || [[ -n $files ]]
}
if [ "$funcstack[1]" = "_s3lo" ]; then _s3lo "$@"; else compdef _s3lo s3lo; fi
`,
  fish: `# fish completion for s3lo
function __s3lo_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :refresh
                $words[1] __complete --fill -- $words[2..-1] "$current" </dev/null >/dev/null 2>&1 &
                disown 2>/dev/null
            case '*'
                echo $line
        end
    end
end
complete -c s3lo -f -a '(__s3lo_complete)'
`,
  powershell: `# PowerShell completion for s3lo
Register-ArgumentCompleter -Native -CommandName s3lo -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object { $_.Extent.Text })
  if ($wordToComplete -eq '') { $words += '""' }
  $words = @($words | ForEach-Object { if ($_ -eq '""') { '' } else { $_ } })
  $program = $commandAst.CommandElements[0].Extent.Text
  & $program __complete '--' @words 2>$null | ForEach-Object {
    if ($_ -eq ':files') { return }
    if ($_ -eq ':refresh') {
      $arguments = @('__complete', '--fill', '--') + @($words | ForEach-Object { if ($_ -eq '') { '""' } else { $_ } })
      if ($IsLinux -or $IsMacOS) { Start-Process -FilePath $program -ArgumentList $arguments }
      else { Start-Process -FilePath $program -ArgumentList $arguments -WindowStyle Hidden }
      return
    }
    $candidate, $what = $_ -split "\\t", 2
    if ($null -eq $what -or $what -eq '') { $what = $candidate }
    [System.Management.Automation.CompletionResult]::new($candidate, $candidate, 'ParameterValue', $what)
  }
}
`,
};

/** The shells that completion is made for. */
export const SHELLS: readonly string[] = Object.keys(SCRIPTS);

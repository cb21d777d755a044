//! Examples at the end of each command's help.

pub const DEMO: &str = "\
Examples:
  ralph demo
  ralph demo --repo ~/src/mine --prompt PROMPT.md --agent claude";

pub const LOCAL: &str = "\
Examples:
  ralph local                                       until Ctrl-C
  ralph local --workstream docs --workstream api    the page shows these two
  ralph local --stop                                from another terminal";

pub const RUN: &str = "\
Examples:
  ralph run docs https://github.com/you/project --max-cost-usd 5
  ralph run docs https://github.com/you/project --verify 'make test' --follow
  ralph run docs https://github.com/you/project --wait && echo complete
  ralph run docs https://github.com/you/project --prompt 'Fix the typos in docs/.'
  ralph run docs https://github.com/you/project --prompt-file task.md --setup 'npm ci'
  ralph run docs https://github.com/you/project --model opus --cpu 4096 --memory 16384
  ralph run docs file:///home/you/project --local --scripted";

pub const LOGS: &str = "\
Examples:
  ralph logs docs                 the newest 1000 lines
  ralph logs docs -f              and those that come; also before the workstream is started
  ralph logs docs --since 2h
  ralph logs docs --json --run 01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";

pub const PS: &str = "\
Examples:
  ralph ps
  ralph ps -a --local
  ralph ps --json";

pub const WAIT: &str = "\
Examples:
  ralph wait docs && ralph run api https://github.com/you/project
  ralph wait docs --execution docs-01ARZ3NDEKTSV4RRFFQ69G5FAV";

pub const STOP: &str = "\
Examples:
  ralph stop docs
  ralph stop docs --wait 10m";

pub const VIEW: &str = "\
Examples:
  ralph view docs api
  ralph view docs --local";

pub const COST: &str = "\
Examples:
  ralph cost
  ralph cost prod --viewers 5 --log-mb 40
  ralph cost --cpu 4096 --memory 16384";

pub const PLAN: &str = "\
Examples:
  ralph plan
  ralph plan prod --offline
  ralph plan dev -- -no-color";

pub const APPLY: &str = "\
Examples:
  ralph apply
  ralph apply dev -- -auto-approve";

pub const OUTPUTS: &str = "\
Examples:
  ralph outputs
  ralph outputs websocket_url --region us-east-1";

pub const DESTROY: &str = "\
Examples:
  ralph destroy
  ralph destroy dev --stop        ends what runs first
  ralph destroy dev -- -auto-approve";

pub const KEYS: &str = "\
Examples:
  ralph keys init-signing
  ralph keys set anthropic-keys < anthropic-keys.json
  ralph keys list";

pub const TOKEN: &str = "\
Examples:
  ralph token docs
  ralph token --url docs          the address to connect to";

pub const VERIFY_AWS: &str = "\
Examples:
  ralph verify-aws --repo https://github.com/you/sandbox --git-token-file token.json --yes
  ralph verify-aws --scratch .tools/local           what works in a local cloud";

pub const COMPLETIONS: &str = "\
Examples:
  ralph completions bash > ~/.local/share/bash-completion/completions/ralph
  ralph completions zsh > ~/.zfunc/_ralph           with ~/.zfunc in fpath
  ralph completions fish > ~/.config/fish/completions/ralph.fish";

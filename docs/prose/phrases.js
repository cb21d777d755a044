// Phrases that docs/style.md bans. A space matches any gap between two words: a line break with the
// next line's comment marks, or the underscore of a test's name. Each entry has a sentence that it must
// find and one that it must leave alone, and the check tries both before it reads a file.
export default [
  {
    phrase: /(?<!\bthere )\b(?:is|are|was|were|be|been) no (?!longer\b|more than\b|less than\b|better\b|worse\b)\w+/,
    instead: '"is not a NOUN", "does not VERB", or "there is no NOUN"',
    finds: "a byte that is no UTF-8",
    leaves: "there is no lock, and it is no longer than a line",
  },
  {
    phrase: /\bnone of (?:ours|theirs|mine|the \w+['’]s|[A-Z][\w-]*(?: [A-Z]\w+)*['’]s)/,
    instead: '"is not one of ours", "does not come from X"',
    finds: "the event is none of API Gateway's",
    leaves: "none of the lines is lost",
  },
  {
    phrase: /\b(?:that|which|what|who) (?:is|are|was|were) none\b/,
    instead: '"that is not a NOUN", with the noun',
    finds: "a name that is none is reported",
    leaves: "the number of keys is none of them",
  },
  {
    phrase: /['’]s to (?:say|decide|know)\b/,
    instead: '"X decides"',
    finds: "whether it starts again is the state machine's to say",
    leaves: "it's ready to say so",
  },
  {
    phrase: /\bmust be given\b/,
    instead: '"required", or who sets it',
    finds: "none: must be given",
    leaves: "the caller must pass it",
  },
  {
    phrase: /\bwhat (?:it|he|she|they|one|a \w+) (?:is|are|was|were) told\b/,
    instead: '"its inputs", "the instructions it receives"',
    finds: "what a module is: what it is told",
    leaves: "the agent is told that it is stuck",
  },
  {
    phrase: /\bwhat (?:it|they) tells?\b/,
    instead: '"its outputs", "what it reports"',
    finds: "what it is, what it tells",
    leaves: "the message tells what to do",
  },
  { phrase: /\banew\b/, instead: '"again", "from scratch"', finds: "written anew", leaves: "a new run" },
  {
    phrase: /\bbeforehand\b/,
    instead: '"first", "before it starts"',
    finds: "checks beforehand what can be known",
    leaves: "the one before",
  },
  {
    phrase: /\ball the same\b/,
    instead: '"anyway", "still"',
    finds: "`--force` does it all the same",
    leaves: "all of the same kind",
  },
  {
    phrase: /\bfor want of\b/,
    instead: '"because there is no NOUN"',
    finds: "refused for want of a free instance",
    leaves: "for lack of space",
  },
  {
    phrase: /\bmend(?:s|ed|ing)?\b/,
    instead: '"fix"',
    finds: "a person must mend it",
    leaves: "an amendment, recommended",
  },
  {
    phrase: /\bas far as\b/,
    instead: 'the part that is meant: "what", "the part that", "if"',
    finds: "what an execution has spent, as far as the lines tell",
    leaves: "far behind",
  },
  {
    phrase: /\b(?:is|are|was|were) to be\b/,
    instead: '"must be", "should be", or who does it',
    finds: "when it is to be asked for now",
    leaves: "it wants to be read",
  },
  {
    phrase: /\bfor so (?:long|many)\b/,
    instead: '"that long", "for N seconds"',
    finds: "stays taken for so long",
    leaves: "so long as nobody reads",
  },
  {
    phrase: /\bbut for (?:the|a|an|its|their)\b/,
    instead: '"except for"',
    finds: "it speaks JSONata, but for the state that runs the task",
    leaves: "not for a viewer, but for everyone",
  },
  {
    phrase: /\b(?:lost|missing|late|nothing),? (?:or |nor |and |nothing )?doubled\b/,
    instead: '"duplicated", "shown twice", "declared twice"',
    finds: "nothing is lost or doubled",
    leaves: "the delay is doubled each time",
  },
  {
    phrase: /\b(?:is|are|was|were) through\b(?! the\b)/,
    instead: '"is complete", "has ended"',
    finds: "the replay is through",
    leaves: "the way out is through the gateway",
  },
  { phrase: /\bin vain\b/, instead: '"without need", "for nothing"', finds: "asked for in vain", leaves: "a vain hope" },
  {
    phrase: /\botherwise than\b/,
    instead: '"differently from"',
    finds: "where the emulator asks otherwise than AWS",
    leaves: "otherwise it ends",
  },
  {
    phrase: /\banother (?!one\b)\w+ than\b/,
    instead: '"a NOUN other than"',
    finds: "names another workstream than its stream's",
    leaves: "another run, rather than this one",
  },
  {
    phrase: /\blends?\b/,
    instead: '"provides"',
    finds: "it lends the expression tree",
    leaves: "it blends in",
  },
  {
    phrase: /\b(?:whence|thereof|thereby|whilst|hitherto|henceforth|herein|shall)\b/,
    instead: "a word that people say: from where, of it, while, until now, from now on, here, must",
    finds: "the parts thereof",
    leaves: "there of course, in shallow water",
  },
];

const SPECIAL_TOKEN =
  /<\|(?:im_end|im_start|endoftext|end_of_text|eot_id|eom_id|start_header_id|end|user|system)\|>|<\/s>|<eos>|<end_of_turn>|\[INST\]/;
const OWN_HEADER =
  /^\s*(?:<\|im_start\|>\s*assistant\b|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>)/;
const NEXT_QUESTION =
  /^[ \t]*(?:#+[ \t]*|\*\*)?(?:Question|Problem|Q|User|Human|Instruction)(?:[ \t]*\d+)?(?:\*\*)?[ \t]*:/gim;

/** The completion's own turn: what comes before an end of turn or a further question. */
export function ownTurn(text: string): string {
  const body = text.replace(OWN_HEADER, '');
  const end = body.search(SPECIAL_TOKEN);
  const turn = end === -1 ? body : body.slice(0, end);
  const firstDigit = turn.search(/\d/);
  for (const { index } of turn.matchAll(NEXT_QUESTION)) {
    // A turn without a number so far has not answered yet: there the header restates the problem.
    if (firstDigit !== -1 && firstDigit < index) {
      return turn.slice(0, index);
    }
  }
  return turn;
}

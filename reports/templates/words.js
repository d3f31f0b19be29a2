"use strict";
/* What the item explorer says. A number in braces is filled in. */
const WORDS = {
  regressed: "regressed", improved: "improved", same: "the same", error: "error", absent: "not asked", uncompared: "not compared",
  shown: "{0} of {1} items", unread: "{0} more have no text in this page and were not searched beyond their first words",
  reading: "reading the texts …", none: "No item here.", choose: "Choose another filter, candidate or suite.",
  everywhere: "all suites", anySlice: "any", anyFlag: "any", anyLength: "any",
  noPrompt: "(no prompt)", emptyAnswer: "(empty answer)", notAsked: "Not asked.", baseline: "baseline", loading: "…",
  asked: "Asked", askedOf: "Asked of {0}, otherwise", expected: "Expected", answer: "Answer", draw: "draw {0}", earlier: "Earlier turn {0}",
  seen: "As the model saw it ({0} characters)", seenBy: "As {0} saw it ({1} characters)", seenOtherwise: "The models saw different prompts: what is only on one side is marked.",
  unseen: "How {0} saw the prompt is not known: only its server puts questions into the chat template, the text was scored as it is, or the run is older than this.",
  unseenAll: "How the models saw the prompt is not known: only their server puts questions into the chat template, the text was scored as it is, or the runs are older than this.",
  templated: "Grey: the chat template’s own text. Framed: a special token, wherever it stands.", beheaded: "Its beginning did not fit the model’s context and was cut off before the model saw it.",
  copyPrompt: "Copy", copiedPrompt: "Copied: the prompt as the model saw it.", copiedPart: "Copied, but the page has only beginning and end of it.",
  graded: "Graded of it", unreadable: "nothing could be read from it", thinking: "Thinking ({0} characters)", failed: "Error",
  judged: "Judged", judge: "Judge", alone: "by itself", left: "answer on the left", right: "answer on the right", unparsable: "unparsable",
  turned: "the orders disagree", others: "The others", tooFar: "Too long and too different to mark words.",
  leftOut: "The texts of this item are not in this page, to keep it small. They are in {0} beside it (choose it above) and in the run folders.",
  leftOutBare: "The texts of this item are not here.",
  copyCase: "Copy as test case", copyLink: "Copy link", toReview: "Send to review", outOfReview: "Take out of review",
  copiedCase: "Copied: one line for an items file.", copiedLink: "Copied: a link to this item.", copiedList: "Copied: {0} lines.",
  notExact: "Copied, but the prompt is a text for reading (several turns, choices, or cut): take the item itself from the suite’s own file, by its key.",
  notCopied: "The browser does not let this page copy. The text is selected: copy it from here.",
  chosen: "{0} for people to review", opened: "{0} items read from {1}.",
  foreign: "{0} belongs to another report: this one needs the file that was written with it.",
  broken: "{0} cannot be read: {1}", noEnd: "it does not end where it should", noItem: "{0} is no item of it",
  unreadableItem: "This item cannot be read: {0}", noCase: "No text here to make a test case of.",
  gone: "The link asks for {0}, which is no item of this report.",
  lengths: {
    "": "any", "a:0:1": "answer: empty", "a:1:101": "answer: 1 to 100 characters", "a:101:501": "answer: 101 to 500", "a:501:2001": "answer: 501 to 2,000",
    "a:2001:1e12": "answer: more than 2,000", "r:2:1e12": "answer: twice the baseline’s or more", "r:0:0.5": "answer: half the baseline’s or less",
    "p:0:501": "prompt: up to 500 characters", "p:501:2001": "prompt: 501 to 2,000", "p:2001:1e12": "prompt: more than 2,000",
  },
};
const say = (name, ...values) => WORDS[name].replace(/\{(\d)\}/g, (_, place) => values[Number(place)]);
const counted = (number) => number.toLocaleString("en");

function make(tag, text, style) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  if (style) node.className = style;
  return node;
}

// How the search orders what it finds: a page with the words in its own heading first, what looks like a message of the
// program in Troubleshooting, and the reference of the library behind the chapters, unless a name of it was typed.
var Scorer = {
  score: ([page, title, anchor, , score]) => {
    const query = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();
    const heading = title.toLowerCase();
    if (!anchor && heading.includes(query) && !heading.startsWith("llmclf.")) return score + 200;
    if (page === "troubleshooting" && query.split(/\s+/).length > 2) return score + 100;
    if (title.startsWith("llmclf.") && !/[._]/.test(query)) return score - 100;
    if (page === "changelog" || page === "api") return score - 50;
    return score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

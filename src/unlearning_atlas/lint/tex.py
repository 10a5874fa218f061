r"""A check of LaTeX formulas: balanced, without dollar signs, and with macros that KaTeX draws.

KaTeX shows an unknown macro as red text in the reader's browser, so a misspelling has to be met here. The macros are
those that formulas of this field use, out of KaTeX's list of supported functions; add one when an entry needs it.
"""

from __future__ import annotations

import re

from unlearning_atlas.faults import did_you_mean, suggest

MACROS = frozenset(
    """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau phi
    varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell hbar partial nabla infty emptyset
    sum prod int bigcup bigcap max min sup inf lim log exp ln sin cos tan tanh arg argmax argmin det dim Pr operatorname
    frac tfrac dfrac sqrt binom left right big Big bigl bigr Bigl Bigr bigg Bigg biggl biggr Biggl Biggr middle
    mathbb mathcal mathbf mathrm mathit mathsf mathtt boldsymbol text textbf textit textrm texttt bar hat tilde vec dot
    widehat widetilde overline underline overbrace underbrace overset underset stackrel substack prime top bot perp
    le leq ge geq ne neq approx equiv sim simeq propto ll gg in notin ni subset subseteq supset supseteq cup cap
    setminus forall exists neg land lor to gets mapsto rightarrow leftarrow Rightarrow Leftarrow leftrightarrow iff
    implies longrightarrow uparrow downarrow times cdot cdots ldots dots vdots ddots circ odot oplus otimes ast star
    pm mp div mid parallel lVert rVert lvert rvert Vert vert langle rangle lceil rceil lfloor rfloor
    lbrace rbrace lbrack rbrack
    quad qquad thinspace displaystyle textstyle scriptstyle limits nolimits begin end hline label tag notag
    colon coloneqq triangleq succ prec succeq preceq wedge vee backslash sharp flat checkmark dagger
    """.split()
)
_TOKEN = re.compile(r"\\([A-Za-z]+)\*?|\\(.)|([{}])|(\$)")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([^}]*)\}")


def tex_problem(text: str) -> tuple[str, str] | None:
    """Return (what is wrong, how to mend it) for the first fault of a formula, or None."""
    depth = 0
    for macro, _, brace, dollar in _TOKEN.findall(text):
        if dollar:
            return "a dollar sign", "leave the dollar signs out"
        if macro and macro not in MACROS:
            near = did_you_mean([rf"\{name}" for name in suggest(macro, MACROS)])
            return rf"unknown macro \{macro}{near}", r"use a macro that KaTeX knows, such as \operatorname{...}"
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            return "a closing brace too many", "balance the braces"
    if depth:
        return f"{depth} brace{'s' * (depth > 1)} not closed", "balance the braces"
    if text.count(r"\left") - text.count(r"\leftarrow") - text.count(r"\leftrightarrow") != text.count(
        r"\right"
    ) - text.count(r"\rightarrow"):
        return r"\left and \right do not match", r"pair each \left with a \right"
    opened: list[str] = []
    for kind, name in _ENVIRONMENT.findall(text):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return rf"\end{{{name}}} closes nothing", r"pair each \begin with its \end"
    if opened:
        return rf"\begin{{{opened[-1]}}} is not closed", r"pair each \begin with its \end"
    return None

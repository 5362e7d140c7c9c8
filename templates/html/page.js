"use strict";
// Without a script the page says all it has to say; this adds the filter, copying, and what belongs together.
// No ampersand and no "less than": the page is well-formed XML.
(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const bar = document.querySelector(".filter");
  const buttons = all("button", bar);
  const equations = all(".equation");
  const shown = document.querySelector(".shown");

  const show = (button) => {
    const finding = button.dataset.show;
    buttons.forEach((one) => {
      one.setAttribute("aria-pressed", String(one === button));
      one.tabIndex = one === button ? 0 : -1;
    });
    equations.forEach((one) => { one.hidden = finding !== "all" ? one.dataset.finding !== finding : false; });
    const number = equations.filter((one) => !one.hidden).length;
    shown.textContent = `${number} of ${equations.length} equations shown: ${button.dataset.says}`;
  };

  const move = (event) => {
    const here = buttons.indexOf(document.activeElement);
    const last = buttons.length - 1;
    const next = {
      ArrowRight: here === last ? 0 : here + 1,
      ArrowDown: here === last ? 0 : here + 1,
      ArrowLeft: here === 0 ? last : here - 1,
      ArrowUp: here === 0 ? last : here - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    buttons.forEach((one, k) => { one.tabIndex = k === next ? 0 : -1; });
    buttons[next].focus();
  };

  bar.hidden = false;
  bar.addEventListener("keydown", move);
  buttons.forEach((one, k) => {
    one.tabIndex = k === 0 ? 0 : -1;
    one.addEventListener("click", () => show(one));
  });

  // A link to an equation that the filter hides shows all again.
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.hidden) {
      show(buttons[0]);
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", reveal);

  // An equation lights up the arrays that it is about, an array the equations about it.
  const about = (equation) => equation.dataset.about.split(" ").filter(Boolean);
  const light = (on) => (one) => one.classList.toggle("lit", on);
  const together = (element, others) => {
    // A listener to focus would make an array without a link a stop of the tab key.
    const focus = element.matches("g") ? [] : [["focusin", true], ["focusout", false]];
    [["mouseenter", true], ["mouseleave", false], ...focus].forEach(([kind, on]) => {
      element.addEventListener(kind, () => others.forEach(light(on)));
    });
  };
  equations.forEach((one) => together(one, about(one).map((id) => document.getElementById(id))));
  all(".node").forEach((node) => {
    const lines = all(".line[data-ends]").filter((line) => line.dataset.ends.split(" ").includes(node.id));
    together(node, [...equations.filter((one) => about(one).includes(node.id)), ...lines]);
  });

  all(".copy").forEach((button) => {
    const code = button.parentElement.querySelector("code");
    const label = button.firstChild;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        label.data = "Copied";
        setTimeout(() => { label.data = "Copy"; }, 2000);
      } catch {
        getSelection().selectAllChildren(code);
      }
    });
  });

  // What is closed on the screen is open on paper.
  const closed = () => all("details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = closed();
    opened.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
})();

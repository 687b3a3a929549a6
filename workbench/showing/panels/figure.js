/* plotly's widget, with plotly.js loaded once for all figures of a page, and after the model is ready: anywidget gives a model
   two seconds to begin, and drops every later message of one that took longer. */
const shared = (globalThis.workbenchFigures ??= {});
shared.widget ??= new Promise((resolve, reject) => {
  shared.load = (text) => {
    shared.load = () => {};
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    import(address).then((module) => resolve(module.default), reject).finally(() => URL.revokeObjectURL(address));
  };
});

export default () => {
  let widget;
  return {
    initialize({ model }) {
      const text = model.get("_bundle");
      if (text) shared.load(text);
      widget = shared.widget.then((make) => {
        const made = make();
        made.initialize({ model });
        return made;
      });
    },
    async render(given) {
      return (await widget).render(given);
    },
  };
};

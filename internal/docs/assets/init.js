// A file of its own: the page's Content-Security-Policy refuses inline scripts.
const root = document.getElementById("swagger-ui");
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

SwaggerUIBundle({
  url: root.dataset.spec,
  domNode: root,
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  displayOperationId: true,
  displayRequestDuration: true,
  filter: true,
  tagsSorter: "alpha",
  // A token typed here dies with the tab.
  persistAuthorization: false,
  // The default sends the contract to a validator on the Internet.
  validatorUrl: "none",
});

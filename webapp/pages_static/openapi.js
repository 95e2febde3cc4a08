// Starts Swagger UI on this server's own description of its API.
window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "openapi/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
});

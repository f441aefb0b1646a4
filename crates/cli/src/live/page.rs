//! Hold the page: files that are part of the program.

/// Path, type and content of a file.
pub(super) type PageFile = (&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A module of the page's script.
macro_rules! script {
    ($name:literal) => {
        (
            concat!("/", $name),
            SCRIPT,
            include_str!(concat!("page/", $name)),
        )
    };
}

/// The files of the page.
pub(super) const FILES: &[PageFile] = &[
    ("/", HTML, include_str!("page/page.html")),
    ("/page.css", CSS, include_str!("page/page.css")),
    script!("brush.js"),
    script!("chains.js"),
    script!("colours.js"),
    script!("curve.js"),
    script!("dom.js"),
    script!("easel.js"),
    script!("gallery.js"),
    script!("header.js"),
    script!("history.js"),
    script!("keys.js"),
    script!("landscape.js"),
    script!("metrics.js"),
    script!("page.js"),
    script!("pixels.js"),
    script!("playground.js"),
    script!("relief.js"),
    script!("samples.js"),
    script!("settings.js"),
    script!("strip.js"),
    script!("tiles.js"),
    script!("trace.js"),
    script!("wire.js"),
    script!("words.js"),
];

/// What the page may do: nothing but what is served here, so that no script runs that is not part of the program.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let package = env::var_os("CARGO_MANIFEST_DIR").expect("set by Cargo");
        let folder = Path::new(&package).join("src/live/page");
        for entry in fs::read_dir(folder).expect("the folder of the page") {
            let path = entry.expect("a file").path();
            let content = fs::read_to_string(&path).expect("text");
            let is_served = FILES.iter().any(|(_, _, served)| *served == content);
            assert!(is_served, "{} has no line in FILES", path.display());
        }
    }

    #[test]
    fn the_page_has_no_script_or_style_that_its_policy_forbids() {
        let (_, _, html) = FILES[0];
        for forbidden in ["<style", " style=", " onclick=", "javascript:"] {
            assert!(!html.contains(forbidden), "{forbidden} in page.html");
        }
        for script in html.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains("src="), "<script{tag}> is inline");
        }
    }
}

//! try
use dsp_lang::Engine;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let engine = Engine::builder()
        .lm("local/smollm2-135m")
        .allow_downloads()
        .progress()
        .build()
        .unwrap();
    match engine.load(&path) {
        Err(e) => println!("{e}"),
        Ok(p) => {
            let f = p.run();
            if let Err(e) = &f.result {
                println!("{e}");
            }
            println!("{:?}", f.warnings);
            println!("{}", dsp_lang::trace::tree(&f.trace, false));
        }
    }
}

//! Starts, stops and shows a local engine: `sandbox up|down|remove|status [--name N]
//! [--engine opensearch-3|opensearch-2] [--nodes N] [--heap 2g] [--port P] [--fresh]`.

use std::error::Error;
use std::time::Duration;

use segue_sandbox::{Options, Status};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let options = options(arguments)?;
    let mut talk = |line: &str| eprintln!("{line}");
    match verb.as_str() {
        "up" => {
            let running = segue_sandbox::up(&options, &mut talk)?;
            for node in &running.nodes {
                eprintln!("{} pid {:?} log {}", node.name, node.pid, node.log.display());
            }
            println!("{}", running.url);
        }
        "down" => println!("{:?}", segue_sandbox::down(&options, &mut talk)?),
        "remove" => println!("{:?}", segue_sandbox::remove(&options, &mut talk)?),
        "status" => match segue_sandbox::status(&options)? {
            Status::Absent { home } => println!("none at {}", home.display()),
            Status::Present { running, states } => {
                for (node, state) in running.nodes.iter().zip(states) {
                    println!("{} {} {state:?} {:?}", node.name, node.url, node.pid);
                }
            }
        },
        other => return Err(format!("{other:?} is none of up, down, remove, status").into()),
    }
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options::named(Options::DEFAULT_NAME)?;
    while let Some(argument) = arguments.next() {
        if argument == "--fresh" {
            options.fresh = true;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--name" => {
                let named = Options::named(&value)?;
                options = Options { name: named.name, home: named.home, ..options };
            }
            "--engine" => options.engine = Some(value.parse()?),
            "--nodes" => options.nodes = Some(value.parse()?),
            "--heap" => options.heap = value.parse()?,
            "--port" => options.port_base = value.parse()?,
            "--max-life" => options.max_life = Duration::from_secs(value.parse()?),
            other => return Err(format!("{other:?} is no option").into()),
        }
    }
    Ok(options)
}

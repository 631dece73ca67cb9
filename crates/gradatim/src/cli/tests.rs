use super::*;

/// How a command line ends, and what it writes.
fn gradatim(arguments: &[&str], input: &str) -> (Exit, String, String) {
    let (mut input, mut out, mut err) = (input.as_bytes(), Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let exit = run(std::iter::once(&"gradatim").chain(arguments), &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

#[test]
fn help_is_data_and_a_wrong_argument_is_wrong_input() {
    let (exit, out, err) = gradatim(&["--help"], "");
    assert_eq!((exit, err.as_str()), (Exit::Good, ""));
    assert!(
        out.contains("explain") && out.contains("Exit codes"),
        "{out}"
    );
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");

    let (exit, out, err) = gradatim(&["explian"], "");
    assert_eq!((exit, out.as_str()), (Exit::WrongInput, ""));
    assert!(err.contains("explain"), "{err}");
}

#[test]
fn every_error_is_shown_with_its_place() {
    let manifest = "\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  strategy:
    canary:
      steps:
      - setWeight: 110
      - setWeight: 120
";
    let (exit, out, err) = gradatim(&["explain", "-"], manifest);
    assert_eq!((exit, out.as_str()), (Exit::WrongInput, ""));
    let wanted = "\
error: setWeight is 0 to 100
  ┌ stdin:8:20
  │       - setWeight: 110
  └                    ^^^ spec.strategy.canary.steps[0].setWeight
error: setWeight is 0 to 100
  ┌ stdin:9:20
  │       - setWeight: 120
  └                    ^^^ spec.strategy.canary.steps[1].setWeight
2 errors in stdin. Nothing was run.
";
    assert_eq!(err, wanted);
}

#[test]
fn a_file_that_is_not_there_is_wrong_input() {
    let (exit, out, err) = gradatim(&["explain", "no/such.yaml"], "");
    assert_eq!((exit, out.as_str()), (Exit::WrongInput, ""));
    assert!(
        err.starts_with("error: no/such.yaml cannot be read: "),
        "{err}"
    );
}

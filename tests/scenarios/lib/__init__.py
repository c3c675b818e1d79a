"""What the scenario tests are written with: real servers, a scripted primary, questions and comparisons."""

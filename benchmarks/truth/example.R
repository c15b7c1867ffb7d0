# Answers of an R package to worlds written by `python -m benchmarks.truth write DIR`:
#   Rscript example.R DIR answers.json
# Here: Rcapture, M_t, with its profile likelihood interval. Any function of a table of 0/1 columns and a
# column n will do in its place.
library(Rcapture)
library(jsonlite)

args <- commandArgs(trailingOnly = TRUE)
answers <- lapply(list.files(args[1], "\\.csv$", full.names = TRUE), function(file) {
  cells <- read.csv(file)
  lists <- grep("^list_", names(cells), value = TRUE)
  histories <- as.matrix(aggregate(cells$n, cells[lists], sum))
  start <- proc.time()[["elapsed"]]
  found <- tryCatch(
    profileCI(histories, dfreq = TRUE, m = "Mt")$results,
    error = function(e) NULL
  )
  value <- function(i) if (is.null(found) || !is.finite(found[[i]])) NA else found[[i]]
  list(
    world = basename(file), total = value(1), low = value(2), high = value(3),
    seconds = proc.time()[["elapsed"]] - start
  )
})
write_json(answers, args[2], auto_unbox = TRUE, na = "null", digits = NA)

"""Slow tests that `make test` leaves out and `make test-all` runs.

Most slow tests carry a marker. This file lists notebooks, which can't, and single cases
of parametrized tests. `make test` runs another case of each.
"""

import pytest

NOTEBOOKS = (
    "01_chapter_project.ipynb",
    "02_gradient_descent_and_backprop.ipynb",
    "03_optimizers_and_schedules.ipynb",
    "04_initialization_and_normalization.ipynb",
    "05_regularization.ipynb",
    "09_transfer.ipynb",
    "10_hyperparameter_search.ipynb",
    "11_ablation.ipynb",
    "12_architecture_search.ipynb",
)
CASES = {
    "test_training_identity.py": (
        # crop, adam and the mixed stream stay.
        "interrupted_in_the_midst_of_an_epoch[mixed]",
        "interrupted_in_the_midst_of_an_epoch[plateau]",
        "interrupted_in_the_midst_of_an_epoch[lookahead]",
        "interrupted_in_the_midst_of_an_epoch[keras_layers]",
        "interrupted_in_the_midst_of_an_epoch[early_stopping]",
        "an_interrupted_stream[generator]",
        "arrays_against_a_stream[sharpness_aware]",
        "arrays_against_a_stream[averages]",
        "calls_of_one_step[momentum]",
    ),
    "test_training_conformance.py": (
        # The table stays with one row of each task.
        "losses_are_those_of_keras[multiclass-batch_norm-py_dataset]",
        "losses_are_those_of_keras[multilabel-subclassed-py_dataset]",
        "inputs_as_a_tuple_or_list_train_as_in_keras[list]",
    ),
    "test_training_label_mixing.py": (
        # mixup for every task, and cutmix for one, stay.
        "every_task[mixup-logits]",
        "every_task[mixup-one-hot]",
        "every_task[mixup-two classes]",
        "every_task[mixup-names]",
        "every_task[cutmix-names]",
        "every_task[cutmix-one-hot]",
        "every_task[cutmix-multilabel]",
        "every_task[cutmix-regression]",
    ),
    "test_training_callbacks.py": ("calls_and_weights_are_those_of_keras[watchers]",),
    "test_training_keras_programs.py": (
        "layers_that_are_unfrozen_train_on[adam]",
        "a_loss_of_ones_own_may_take_other_outputs_than_labels[True]",
        "no_task_leaves_everything_to_the_loss",
    ),
    "test_training_fit.py": (
        "a_recipe_that_leaves_the_epochs_open_trains_long_enough",
        "a_resumed_run_keeps_the_epochs_that_were_chosen_for_it",
    ),
    "test_training_failures.py": ("a_callback_that_fails_costs_no_step[epoch]",),
    "test_benchmarks.py": ("augmentation_measures_crop_too",),
    "test_benchmarks_growth.py": ("no_traced_graph_stays[_trial]",),
    "test_data_image_files.py": ("stores_are_closed",),
    "test_distribute.py": ("two_replicas_equal_one_device[21]",),
    "test_layers.py": (
        "training_ends_with_keras_weights[2]",
        "open_shapes_inside_a_function[True-True]",
    ),
    "test_examples.py": ("the_chapter_notebook_predicts_as_it_trained",),
    "test_tuning_search.py": (
        "a_trial_that_had_ended_trains_no_further[patience]",
        "numbers_in_a_file_may_have_exponents",
        "what_was_drawn_at_random_is_said",
        "an_outer_field_does_not_undo_an_inner_one[-1]",
        "where_all_fail_the_reasons_are_told",
    ),
    "test_tuning_sweep.py": (
        "a_recipe_by_its_name",
        "optimizer_schedule_and_penalty_can_be_swept[optimizer-values0]",
    ),
    # Their examples are trained by tests, too.
    "ablation.py": ("kerasopt.tuning.ablations.ablation.ablate",),
    "search.py": ("kerasopt.tuning.architectures.search.search_architecture",),
}


def pytest_collection_modifyitems(items):
    """Mark what the lists name."""
    for item in items:
        cases = CASES.get(item.path.name, ())
        named = item.name.removeprefix("test_") in cases
        if item.path.name in NOTEBOOKS or named:
            item.add_marker(pytest.mark.slow)
